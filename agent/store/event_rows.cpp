#include "store/event_rows.h"

#include <algorithm>
#include <optional>

#include "store/wire_walk.h"

namespace de::store {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;

constexpr std::size_t index_of(Text which) { return static_cast<std::size_t>(which); }

}  // namespace

struct EventRows::Decoding {
  explicit Decoding(const EventColumns& columns) {
    readers.reserve(kColumnCount);
    for (const std::string& column : columns.column) readers.emplace_back(column);
  }
  std::uint64_t take(Column which) { return readers[static_cast<std::size_t>(which)].varint(); }
  std::uint64_t take(Column which, std::uint64_t expected) {
    return expected + static_cast<std::uint64_t>(unzigzag(take(which)));
  }
  std::uint32_t take_32(Column which) {
    const std::uint64_t value = take(which);
    if (value > UINT32_MAX) refuse();
    return static_cast<std::uint32_t>(value);
  }
  // A number between 1 and what there is, as a distance from the end.
  std::uint32_t back(std::uint64_t distance, std::size_t count) {
    if (distance == 0 || distance > count) {
      refuse();
      return 0;
    }
    return static_cast<std::uint32_t>(count - distance);
  }
  void refuse() { refused = true; }
  // All that is not text was read, and nothing was left over.
  bool finished() const {
    for (std::size_t i = 0; i < static_cast<std::size_t>(Column::Uids); ++i)
      if (!readers[i].finished()) return false;
    return !refused;
  }

  std::vector<Reader> readers;
  std::vector<Last> lives;
  std::vector<std::optional<std::uint64_t>> uid_pids;
  Last last;
  std::optional<std::uint32_t> parent;
  std::uint64_t position = 0, boot_ns = 0, boot_offset_ms = 0, time_ms = 0, sequence = 0, pid = 0, pidfs = 0;
  bool refused = false;
};

Result<std::unique_ptr<EventRows>> EventRows::of(EventColumns columns) {
  std::unique_ptr<EventRows> out(new EventRows(schema::kAllParts));
  out->columns_ = std::move(columns);
  DE_CHECK(out->decode());
  for (std::size_t which = 0; which < kTextCount; ++which) DE_CHECK(out->find_texts(static_cast<Text>(which)));
  return out;
}

Result<std::unique_ptr<EventRows>> EventRows::of(const PackedColumns& block, Unpacker& unpacker,
                                                 schema::EventParts parts) {
  std::unique_ptr<EventRows> out(new EventRows(parts));
  out->columns_.rows = block.rows();
  for (std::size_t i = 0; i <= static_cast<std::size_t>(Column::ImageText); ++i)
    if (out->is_read(static_cast<Column>(i))) DE_CHECK(block.unpack(static_cast<Column>(i), unpacker, out->columns_));
  DE_CHECK(out->decode());
  if (out->is_read(Text::Image)) DE_CHECK(out->find_texts(Text::Image));
  return out;
}

Result<> EventRows::unpack_texts(const PackedColumns& block, Unpacker& unpacker) {
  for (std::size_t which = index_of(Text::Image) + 1; which < kTextCount; ++which) {
    if (!is_read(static_cast<Text>(which))) continue;
    DE_CHECK(block.unpack(text_column(which), unpacker, columns_));
    DE_CHECK(find_texts(static_cast<Text>(which)));
  }
  return {};
}

bool EventRows::has_uids_as_text() const {
  return has(schema::kWhoPart) && std::ranges::any_of(lives_, [](const Life& life) { return life.uid.empty(); });
}

bool EventRows::is_read(Column column) const {
  switch (column) {
    case Column::Flags:
    case Column::Position:
    case Column::Type:
    case Column::Boot:
    case Column::Time:
    case Column::Filed:
    case Column::Sequence:
    case Column::Life:  // Texts follow their process.
    case Column::Collector:
    case Column::CollectorText:
      return true;
    case Column::Duration:
    case Column::ExitCode:
    case Column::ExitSignal:
    case Column::Collection:
    case Column::ExecSeq:
      return has(schema::kNumbersPart);
    case Column::LifeFlags:
    case Column::LifeUid:
    case Column::LifePid:
    case Column::LifeParent:
    case Column::LifePpid:
    case Column::LifeStart:
    case Column::LifePidfs:
    case Column::Uids:
      return has(schema::kWhoPart);
    case Column::Image:
    case Column::ImageText:
      return has(schema::kImagePart);
    default:
      return has(schema::kAllParts);
  }
}

Result<> EventRows::find_texts(Text which) {
  std::vector<std::string_view>& texts = texts_[index_of(which)];
  texts.reserve(text_counts_[index_of(which)]);
  Reader reader(columns_[text_column(index_of(which))]);
  while (reader.left() > 0 && reader.ok() && texts.size() <= kMaxBlockRows) texts.push_back(reader.bytes());
  if (!reader.finished() || texts.size() != text_counts_[index_of(which)])
    return fail(Errc::Corrupt, "event block: texts are damaged");
  return {};
}

std::string_view EventRows::uid_at(std::uint64_t number) const {
  const std::string_view uids = columns_[Column::Uids];
  if (number >= uids.size() / kUidBytes) return {};  // decode() finds out that the column is too short.
  return uids.substr(static_cast<std::size_t>(number) * kUidBytes, kUidBytes);
}

void EventRows::decode_numbers(Decoding& at, Row& row) const {
  const std::uint64_t flags = at.take(Column::Flags);
  if ((flags & ~kAllEventFlags) != 0) at.refuse();
  row.flags = static_cast<std::uint8_t>(flags);
  row.position = at.position + 1 + at.take(Column::Position);
  row.type = at.take(Column::Type);
  if ((row.flags & kHasBoot) != 0) {
    row.boot_ns = at.boot_ns = at.take(Column::Boot, at.boot_ns);
    at.boot_offset_ms = at.take(Column::Time, at.boot_offset_ms);
    row.time_ms = at.boot_offset_ms + row.boot_ns / kNsPerMs;
  } else {
    row.time_ms = at.take(Column::Time, at.time_ms);
  }
  row.filed_ms = at.take(Column::Filed, row.time_ms);
  row.sequence = at.take(Column::Sequence, at.sequence + 1);
  at.position = row.position;
  at.time_ms = row.time_ms;
  at.sequence = row.sequence;
  if (!has(schema::kNumbersPart)) return;
  if ((row.flags & kHasDuration) != 0) row.duration_ms = at.take(Column::Duration);
  if ((row.flags & kHasExitCode) != 0) row.exit_code = at.take_32(Column::ExitCode);
  if ((row.flags & kHasExitSignal) != 0) row.exit_signal = at.take_32(Column::ExitSignal);
  row.collection_ms = at.take(Column::Collection, row.time_ms);
}

void EventRows::decode_parent(Decoding& at, std::uint64_t flags, Life& life) const {
  std::uint64_t expected_pid = life.pid;
  std::optional<std::uint64_t>* parent_pid = nullptr;
  if ((flags & kHasParentUid) != 0) {
    const std::uint64_t code = at.take(Column::LifeParent);
    if (code == 1) {
      at.parent = static_cast<std::uint32_t>(at.uid_pids.size());
      at.uid_pids.emplace_back();
    } else if (code > 1) {
      at.parent = at.back(code - 1, at.uid_pids.size());
    }
    if (!at.parent || *at.parent >= at.uid_pids.size()) return at.refuse();
    life.parent_uid = uid_at(*at.parent);
    parent_pid = &at.uid_pids[*at.parent];
    expected_pid = parent_pid->value_or(expected_pid);
  }
  if ((flags & kHasPpid) == 0) return;
  life.ppid = at.take(Column::LifePpid, expected_pid);
  if (parent_pid != nullptr) *parent_pid = life.ppid;
}

void EventRows::decode_new_life(Decoding& at, const Row& row) {
  Life life;
  const std::uint64_t flags = at.take(Column::LifeFlags);
  if ((flags & ~kAllLifeFlags) != 0) at.refuse();
  std::uint64_t expected_pid = at.pid;
  std::optional<std::uint32_t> uid;
  if ((flags & kHasUid) != 0) {
    const std::uint64_t code = at.take(Column::LifeUid);
    if (code == 0) at.uid_pids.emplace_back();
    uid = code == 0 ? static_cast<std::uint32_t>(at.uid_pids.size() - 1) : at.back(code, at.uid_pids.size());
    if (at.refused) return;
    life.uid = uid_at(*uid);
    expected_pid = at.uid_pids[*uid].value_or(expected_pid);
  }
  life.pid = at.take(Column::LifePid, expected_pid);
  if (uid) at.uid_pids[*uid] = life.pid;
  at.pid = life.pid;
  decode_parent(at, flags, life);
  if ((flags & kHasStart) != 0) life.start_ms = at.take(Column::LifeStart, row.time_ms);
  if ((flags & kHasPidfs) != 0) life.pidfs = at.pidfs = at.take(Column::LifePidfs, at.pidfs);
  lives_.push_back(life);
}

void EventRows::decode_life(Decoding& at, Row& row) {
  const std::uint64_t code = at.take(Column::Life);
  if (code == 0) {
    row.life = static_cast<std::uint16_t>(at.lives.size());
    if (has(schema::kWhoPart)) decode_new_life(at, row);
    if (!at.refused) at.lives.push_back(at.last);
  } else {
    row.life = static_cast<std::uint16_t>(at.back(code, at.lives.size()));
  }
}

Result<> EventRows::decode() {
  Decoding at(columns_);
  if (columns_[Column::Uids].size() % kUidBytes != 0 || columns_.rows > kMaxBlockRows)
    return fail(Errc::Corrupt, "event block: malformed");
  std::array<bool, kTextCount> is_read_text{};
  for (std::size_t which = 0; which < kTextCount; ++which) is_read_text[which] = is_read(static_cast<Text>(which));
  rows_.resize(static_cast<std::size_t>(columns_.rows));
  const std::size_t lives = std::min(rows_.size(), columns_[Column::LifeFlags].size());
  lives_.reserve(lives);
  at.lives.reserve(rows_.size());
  at.uid_pids.reserve(std::min(2 * lives, columns_[Column::Uids].size() / kUidBytes));
  for (Row& row : rows_) {
    decode_numbers(at, row);
    const bool has_process = (row.flags & kHasProcess) != 0;
    if (has_process) decode_life(at, row);
    if (at.refused || (has_process && row.life >= at.lives.size())) break;
    Last& last = has_process ? at.lives[row.life] : at.last;
    if (has(schema::kNumbersPart)) row.exec_seq = last.exec_seq = at.take(Column::ExecSeq, last.exec_seq);
    for (std::size_t which = 0; which < kTextCount; ++which) {
      if (!is_read_text[which]) continue;
      const std::uint64_t code = at.take(reference_column(which));
      std::uint32_t& count = text_counts_[which];
      if (code == 1) last.text[which] = static_cast<std::uint16_t>(count++);
      if (code > 1) last.text[which] = static_cast<std::uint16_t>(at.back(code - 1, count));
      if (last.text[which] >= count) at.refuse();
    }
    row.text = last.text;
    at.last = last;
  }
  if (!at.finished() || at.uid_pids.size() * kUidBytes != columns_[Column::Uids].size())
    return fail(Errc::Corrupt, "event block: numbers are damaged");
  return {};
}

std::vector<EventRows::Image> EventRows::images() const {
  std::vector<Image> out;
  out.reserve(texts_[index_of(Text::Image)].size());
  for (const std::string_view text : texts_[index_of(Text::Image)]) {
    Image image;
    WireWalk walk(text);
    for (WireField field; walk.next(field);) {
      if (field.number == 3) image.name = field.payload;
      if (field.number == 9) image.hash = field.payload;
    }
    out.push_back(image);
  }
  return out;
}

std::size_t EventRows::bytes() const {
  return columns_.bytes() + rows_.size() * sizeof(Row) + lives_.size() * sizeof(Life);
}

std::vector<std::uint32_t> EventRows::select(const EventFilter& filter, std::uint64_t upto) const {
  std::vector<char> wanted_lives, wanted_images;
  for (const Life& life : lives_)
    wanted_lives.push_back((!filter.pid || life.pid == *filter.pid) &&
                           (!filter.ppid || (life.ppid && *life.ppid == *filter.ppid)) &&
                           (filter.process_uid.empty() || life.uid == filter.process_uid));
  const bool any_image = filter.name.empty() && filter.executable_hash.empty();
  if (!any_image)
    for (const Image& image : images())
      wanted_images.push_back((filter.name.empty() || image.name == filter.name) &&
                              (filter.executable_hash.empty() || image.hash == filter.executable_hash));
  const bool any_life = !filter.pid && !filter.ppid && filter.process_uid.empty();
  const auto from_ms = static_cast<std::uint64_t>(filter.from_ms), to_ms = static_cast<std::uint64_t>(filter.to_ms);
  std::vector<std::uint32_t> out;
  for (std::uint32_t number = 0; number < rows_.size(); ++number) {
    const Row& row = rows_[number];
    if (row.filed_ms < from_ms || row.filed_ms >= to_ms) continue;
    if (row.position <= filter.after || row.position > upto) continue;
    if (filter.type && static_cast<int>(row.type) != static_cast<int>(*filter.type)) continue;
    if ((!any_life || !any_image) && (row.flags & kHasProcess) == 0) continue;
    if (!any_life && wanted_lives[row.life] == 0) continue;
    if (!any_image && wanted_images[row.text[index_of(Text::Image)]] == 0) continue;
    out.push_back(number);
  }
  return out;
}

void EventRows::keep(std::vector<std::uint32_t>& rows, const std::function<bool(std::string_view)>& passes) const {
  // What a process has of its own; its ancestors and its metrics are none of that.
  constexpr Text kAsked[] = {Text::Image, Text::Owner, Text::Job, Text::Command, Text::Parent, Text::Rest};
  std::array<std::vector<char>, kTextCount> passed;
  for (const Text which : kAsked)
    for (const std::string_view text : texts_[index_of(which)]) passed[index_of(which)].push_back(passes(text) ? 1 : 0);
  std::erase_if(rows, [&](std::uint32_t number) {
    const Texts& text = rows_[number].text;
    return std::ranges::none_of(kAsked,
                                [&](Text which) { return passed[index_of(which)][text[index_of(which)]] != 0; });
  });
}

Result<> EventRows::event(std::uint32_t number, pb::ProcessEvent& out) {
  const Row& row = rows_[number];
  const auto if_has = [&row](std::uint64_t flag, std::uint64_t value) {
    return (row.flags & flag) != 0 ? std::optional<std::uint64_t>(value) : std::nullopt;
  };
  EventNumbers numbers;
  numbers.type = row.type;
  numbers.time_ms = row.time_ms;
  numbers.sequence = row.sequence;
  numbers.boot_ns = if_has(kHasBoot, row.boot_ns);
  numbers.duration_ms = if_has(kHasDuration, row.duration_ms);
  numbers.exit_code = if_has(kHasExitCode, row.exit_code);
  numbers.exit_signal = if_has(kHasExitSignal, row.exit_signal);
  numbers.collection_ms = row.collection_ms;
  numbers.exec_seq = row.exec_seq;
  numbers.has_process = (row.flags & kHasProcess) != 0;
  if (numbers.has_process && has(schema::kWhoPart)) numbers.life = lives_[row.life];
  std::array<std::string_view, kTextCount> text;
  for (std::size_t which = 0; which < kTextCount; ++which) text[which] = text_of(row, static_cast<Text>(which));
  put_together(numbers, text, process_, event_);
  if (!out.ParseFromString(event_)) return fail(Errc::Corrupt, "event: does not parse");
  return {};
}

}  // namespace de::store
