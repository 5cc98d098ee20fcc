#include "store/gap_log.h"

#include <algorithm>

#include "store/keys.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr std::size_t kMaxNameBytes = 128;
constexpr std::size_t kMaxMarks = 65'536;    // In memory.
constexpr std::size_t kMaxKeptMarks = 1024;  // In the state, of days that are gone.
constexpr std::size_t kMaxGaps = 10'000;
constexpr std::size_t kGapsAtOnce = 1000;  // Room made when the limit is reached, so that it is rarely.
constexpr std::size_t kMaxGapBytes = 4096;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name.find('\0') == name.npos;
}

std::string encode_gap(const StoredGap& gap) {
  std::string value = begin_value();
  put_bytes(value, gap.collector);
  put_bytes(value, gap.spool_id);
  put_varint(value, zigzag(gap.recorded_ms));
  put_bytes(value, gap.gap.SerializeAsString());
  finish_value(value);
  return value;
}

// Gaps that do not say when they were lie at the moment they were recorded.
bool overlaps(const StoredGap& gap, std::int64_t from_ms, std::int64_t to_ms) {
  const bool timed = gap.gap.to_ms() != 0;
  const std::int64_t begin = timed ? gap.gap.from_ms() : gap.recorded_ms;
  const std::int64_t end = timed ? gap.gap.to_ms() : gap.recorded_ms;
  return begin < to_ms && end >= from_ms;
}

}  // namespace

Result<std::string> mark_key(std::string_view collector, std::string_view spool_id) {
  if (!is_name(collector)) return fail(Errc::Invalid, "collector id: empty, over 128 bytes or with NUL");
  if (!is_name(spool_id)) return fail(Errc::Invalid, "spool id: empty, over 128 bytes or with NUL");
  std::string key(collector);
  key += '\0';
  return std::move(key.append(spool_id));
}

Result<StoredGap> decode_gap(std::string_view payload) {
  Reader reader(payload);
  StoredGap gap;
  gap.collector = reader.bytes();
  gap.spool_id = reader.bytes();
  gap.recorded_ms = reader.signed_varint();
  const std::string_view message = reader.bytes();
  if (!reader.finished() || !gap.gap.ParseFromArray(message.data(), static_cast<int>(message.size())))
    return fail(Errc::Corrupt, "gap: malformed");
  return gap;
}

Result<KeptMark> decode_kept_mark(std::string_view payload) {
  Reader reader(payload);
  KeptMark mark;
  mark.sequence = reader.varint();
  mark.kept_ms = reader.signed_varint();
  if (!reader.finished()) return fail(Errc::Corrupt, "watermark: malformed");
  return mark;
}

std::uint64_t Watermarks::of(const std::string& mark) const {
  const std::lock_guard lock(mutex_);
  const auto known = marks_.find(mark);
  return known == marks_.end() ? 0 : known->second;
}

Result<> Watermarks::raise(const std::string& mark, std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  const auto known = marks_.find(mark);
  if (known == marks_.end() && marks_.size() >= kMaxMarks)
    return fail(Errc::Exhausted, "watermarks: over " + std::to_string(kMaxMarks) + " spools");
  std::uint64_t& value = known == marks_.end() ? marks_[mark] : known->second;
  value = std::max(value, sequence);
  return {};
}

Result<> GapLog::put_mark(Txn& txn, std::string_view mark, std::uint64_t sequence) {
  DE_TRY(old, txn.get(state_.table(StateTable::Marks), mark));
  if (old) {
    DE_TRY(payload, unseal(*old, "watermark"));
    DE_TRY(kept, decode_kept_mark(payload));
    sequence = std::max(sequence, kept.sequence);
  }
  std::string value = begin_value();
  put_varint(value, sequence);
  put_varint(value, zigzag(clock_.unix_ms()));
  finish_value(value);
  return txn.put(state_.table(StateTable::Marks), mark, value);
}

Result<> GapLog::put(std::string_view collector, std::string_view spool_id, const pb::Gap& gap,
                     std::optional<std::uint64_t> watermark) {
  DE_TRY(mark, mark_key(collector, spool_id));
  if (gap.first_sequence() == 0 || gap.last_sequence() < gap.first_sequence())
    return fail(Errc::Invalid, "gap: not a range of sequences");
  if (gap.ByteSizeLong() > kMaxGapBytes) return fail(Errc::TooLarge, "gap: over 4096 bytes");
  pb::Gap back;  // A reason that is not UTF-8 would be written and never be read again.
  if (!back.ParseFromString(gap.SerializeAsString())) return fail(Errc::Invalid, "gap: reason is not UTF-8");

  std::string key = mark;
  key += '\0';
  key.append(view(be64(gap.first_sequence())));
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Write));
  DE_TRY(counts, state_.counts(txn));
  DE_TRY(known, txn.get(state_.table(StateTable::Gaps), key));
  if (!known) {
    if (counts.gaps >= kMaxGaps) {
      DE_TRY(removed, erase_oldest(txn, INT64_MIN, kGapsAtOnce));
      counts.gaps -= removed;
      counts.gaps_removed += removed;
    }
    ++counts.gaps;
  }
  const StoredGap stored{std::string(collector), std::string(spool_id), clock_.unix_ms(), gap};
  DE_CHECK(txn.put(state_.table(StateTable::Gaps), key, encode_gap(stored)));
  if (watermark) DE_CHECK(put_mark(txn, mark, *watermark));
  DE_CHECK(state_.put_counts(txn, counts));
  return txn.commit();
}

Result<std::vector<StoredGap>> GapLog::list(std::int64_t from_ms, std::int64_t to_ms) const {
  std::vector<StoredGap> out;
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::Gaps)));
  DE_TRY(more, cursor.first());
  while (more) {  // At most kMaxGaps.
    DE_TRY(payload, unseal(cursor.value(), "gap"));
    DE_TRY(gap, decode_gap(payload));
    if (overlaps(gap, from_ms, to_ms)) out.push_back(std::move(gap));
    DE_TRY(next, cursor.next());
    more = next;
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const StoredGap& a, const StoredGap& b) { return a.recorded_ms < b.recorded_ms; });
  return out;
}

// Erases what was recorded before `before_ms`, and the oldest besides until `at_least` are gone.
Result<std::size_t> GapLog::erase_oldest(Txn& txn, std::int64_t before_ms, std::size_t at_least) {
  std::vector<std::pair<std::int64_t, std::string>> gaps;
  {
    DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::Gaps)));
    DE_TRY(more, cursor.first());
    while (more) {
      DE_TRY(payload, unseal(cursor.value(), "gap"));
      DE_TRY(gap, decode_gap(payload));
      gaps.emplace_back(gap.recorded_ms, cursor.key());
      DE_TRY(next, cursor.next());
      more = next;
    }
  }
  std::sort(gaps.begin(), gaps.end());
  std::size_t removed = 0;
  while (removed < gaps.size() && (gaps[removed].first < before_ms || removed < at_least)) {
    DE_CHECK(txn.erase(state_.table(StateTable::Gaps), gaps[removed].second));
    ++removed;
  }
  return removed;
}

Result<> GapLog::prune(std::int64_t before_ms) {
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Write));
  DE_TRY(counts, state_.counts(txn));
  DE_TRY(removed, erase_oldest(txn, before_ms, 0));
  if (removed == 0) return {};
  counts.gaps -= removed;
  counts.gaps_removed += removed;
  DE_CHECK(state_.put_counts(txn, counts));
  return txn.commit();
}

Result<GapLog::Marks> GapLog::marks() const {
  Marks out;
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::Marks)));
  DE_TRY(more, cursor.first());
  while (more && out.size() < kMaxMarks) {
    DE_TRY(payload, unseal(cursor.value(), "watermark"));
    DE_TRY(mark, decode_kept_mark(payload));
    out.emplace_back(cursor.key(), mark.sequence);
    DE_TRY(next, cursor.next());
    more = next;
  }
  return out;
}

Result<> GapLog::keep(const Marks& marks) {
  if (marks.empty()) return {};
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Write));
  for (const auto& [mark, sequence] : marks) DE_CHECK(put_mark(txn, mark, sequence));
  DE_CHECK(limit_marks(txn));
  return txn.commit();
}

Result<> GapLog::limit_marks(Txn& txn) {
  std::vector<std::pair<std::int64_t, std::string>> kept;
  {
    DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::Marks)));
    DE_TRY(more, cursor.first());
    while (more) {
      DE_TRY(payload, unseal(cursor.value(), "watermark"));
      DE_TRY(mark, decode_kept_mark(payload));
      kept.emplace_back(mark.kept_ms, cursor.key());
      DE_TRY(next, cursor.next());
      more = next;
    }
  }
  if (kept.size() <= kMaxKeptMarks) return {};
  std::sort(kept.begin(), kept.end());
  kept.resize(kept.size() - kMaxKeptMarks);
  for (const auto& [ms, mark] : kept) DE_CHECK(txn.erase(state_.table(StateTable::Marks), mark));
  return {};
}

}  // namespace de::store
