#include "store/event_builder.h"

#include "store/value.h"

namespace de::store {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;

std::uint64_t flags_of(const EventParts& parts) {
  return (parts.has_process ? kHasProcess : 0) | (parts.boot_ns ? kHasBoot : 0) |
         (parts.duration_ms ? kHasDuration : 0) | (parts.exit_code ? kHasExitCode : 0) |
         (parts.exit_signal ? kHasExitSignal : 0);
}

std::uint64_t flags_of(const Life& life) {
  return (life.uid.empty() ? 0 : kHasUid) | (life.parent_uid.empty() ? 0 : kHasParentUid) | (life.ppid ? kHasPpid : 0) |
         (life.start_ms ? kHasStart : 0) | (life.pidfs ? kHasPidfs : 0);
}

}  // namespace

void EventBuilder::put(Column column, std::uint64_t value) { put_varint(columns_[column], value); }

void EventBuilder::put_difference(Column column, std::uint64_t value, std::uint64_t expected) {
  put(column, zigzag(static_cast<std::int64_t>(value - expected)));
}

void EventBuilder::put_numbers(std::uint64_t position, std::uint64_t filed_ms) {
  put(Column::Flags, flags_of(parts_));
  put(Column::Position, position - position_ - 1);
  put(Column::Type, parts_.type);
  if (parts_.boot_ns) {
    put_difference(Column::Boot, *parts_.boot_ns, boot_ns_);
    boot_ns_ = *parts_.boot_ns;
    const std::uint64_t offset_ms = parts_.time_ms - boot_ns_ / kNsPerMs;
    put_difference(Column::Time, offset_ms, boot_offset_ms_);
    boot_offset_ms_ = offset_ms;
  } else {
    put_difference(Column::Time, parts_.time_ms, time_ms_);
  }
  put_difference(Column::Filed, filed_ms, parts_.time_ms);
  put_difference(Column::Sequence, parts_.sequence, sequence_ + 1);
  if (parts_.duration_ms) put(Column::Duration, *parts_.duration_ms);
  if (parts_.exit_code) put(Column::ExitCode, *parts_.exit_code);
  if (parts_.exit_signal) put(Column::ExitSignal, *parts_.exit_signal);
  put_difference(Column::Collection, parts_.collection_ms, parts_.time_ms);
  position_ = position;
  time_ms_ = parts_.time_ms;
  sequence_ = parts_.sequence;
}

std::uint32_t EventBuilder::uid_number(std::string_view uid, bool& is_new) {
  const auto [place, added] = uid_numbers_.try_emplace(hash_(uid), static_cast<std::uint32_t>(uids_.size()));
  is_new = added;
  if (added) {
    uids_.emplace_back();
    columns_[Column::Uids].append(uid);
  }
  return place->second;
}

void EventBuilder::put_parent() {
  std::uint64_t expected_pid = parts_.life.pid;
  Uid* parent = nullptr;
  if (!parts_.life.parent_uid.empty()) {
    bool is_new = false;
    const std::uint32_t number = uid_number(parts_.life.parent_uid, is_new);
    put(Column::LifeParent, is_new ? 1 : parent_ == number ? 0 : uids_.size() - number + 1);
    parent_ = number;
    parent = &uids_[number];
    expected_pid = parent->pid.value_or(expected_pid);
  }
  if (!parts_.life.ppid) return;
  put_difference(Column::LifePpid, *parts_.life.ppid, expected_pid);
  if (parent != nullptr) parent->pid = *parts_.life.ppid;
}

void EventBuilder::put_new_life() {
  const Life& life = parts_.life;
  put(Column::LifeFlags, flags_of(life));
  std::uint64_t expected_pid = pid_;
  if (!life.uid.empty()) {
    bool is_new = false;
    const std::uint32_t number = uid_number(life.uid, is_new);
    put(Column::LifeUid, is_new ? 0 : uids_.size() - number);
    expected_pid = uids_[number].pid.value_or(expected_pid);
    uids_[number].pid = life.pid;
  }
  put_difference(Column::LifePid, life.pid, expected_pid);
  pid_ = life.pid;
  put_parent();
  if (life.start_ms) put_difference(Column::LifeStart, *life.start_ms, parts_.time_ms);
  if (!life.pidfs) return;
  put_difference(Column::LifePidfs, *life.pidfs, pidfs_);
  pidfs_ = *life.pidfs;
}

EventBuilder::Last& EventBuilder::put_life() {
  const Life& life = parts_.life;
  life_key_.clear();
  put_varint(life_key_, flags_of(life));
  for (const std::uint64_t n : {life.pid, life.ppid.value_or(0), life.start_ms.value_or(0), life.pidfs.value_or(0)})
    put_varint(life_key_, n);
  life_key_.append(life.uid);
  life_key_.append(life.parent_uid);
  const auto [place, added] = life_numbers_.try_emplace(hash_(life_key_), static_cast<std::uint32_t>(lives_.size()));
  put(Column::Life, added ? 0 : lives_.size() - place->second);
  if (added) {
    lives_.push_back(last_);
    put_new_life();
  }
  return lives_[place->second];
}

bool EventBuilder::parses(Text which) {
  const std::string& bytes = parts_.of(which);
  switch (which) {
    case Text::Image:
    case Text::Owner:
    case Text::Job:
    case Text::Metrics:
      return record_check_.ParseFromString(bytes);
    case Text::Rest:
      return event_check_.ParseFromString(bytes);
    case Text::Command:  // Without a field that must be UTF-8, as the two after it.
    case Text::Parent:
    case Text::Ancestry:
    case Text::Collector:
      break;
  }
  return true;
}

Result<> EventBuilder::put_text(std::size_t which, std::uint32_t& last) {
  Texts& texts = texts_[which];
  std::string& column = columns_[text_column(which)];
  const std::string& bytes = parts_.text[which];
  const auto is_last = [&] {
    const auto [offset, length] = texts.places[last];
    return std::string_view(column).substr(offset, length) == bytes;
  };
  if (last < texts.places.size() && is_last()) {
    put(reference_column(which), 0);
    return {};
  }
  const auto [place, added] = texts.numbers.try_emplace(hash_(bytes), static_cast<std::uint32_t>(texts.places.size()));
  put(reference_column(which), added ? 1 : texts.places.size() - place->second + 1);
  last = place->second;
  if (!added) return {};
  if (!parses(static_cast<Text>(which))) return fail(Errc::Invalid, "event: text is not UTF-8");
  put_varint(column, bytes.size());
  texts.places.emplace_back(column.size(), bytes.size());
  column.append(bytes);
  bytes_ += bytes.size();
  return {};
}

Result<> EventBuilder::add(std::string_view collector, const pb::ProcessEvent& event, std::uint64_t position,
                           std::uint64_t filed_ms) {
  const std::size_t bytes = event.ByteSizeLong();
  if (bytes > kMaxEventBytes) return fail(Errc::TooLarge, "event is over 4 MiB");
  serialized_.resize(bytes);
  event.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(serialized_.data()));
  DE_CHECK(take_apart(serialized_, collector, parts_));
  put_numbers(position, filed_ms);
  Last& last = parts_.has_process ? put_life() : last_;
  put_difference(Column::ExecSeq, parts_.exec_seq, last.exec_seq);
  last.exec_seq = parts_.exec_seq;
  for (std::size_t which = 0; which < kTextCount; ++which) DE_CHECK(put_text(which, last.text[which]));
  last_ = last;
  ++columns_.rows;
  return {};
}

void EventBuilder::clear() {
  columns_.clear();
  bytes_ = 0;
  for (Texts& texts : texts_) {
    texts.numbers.clear();
    texts.places.clear();
  }
  life_numbers_.clear();
  lives_.clear();
  uid_numbers_.clear();
  uids_.clear();
  last_ = {};
  position_ = boot_ns_ = boot_offset_ms_ = time_ms_ = sequence_ = pid_ = pidfs_ = 0;
  parent_.reset();
  if (serialized_.capacity() <= kFullBlockBytes) return;
  serialized_ = std::string();  // A giant event leaves nothing behind.
  parts_ = {};
}

}  // namespace de::store
