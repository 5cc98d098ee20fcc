#include "spool/spool.h"

#include <fcntl.h>

#include <algorithm>

#include "daemoneye/base/fault.h"
#include "spool/disk.h"

namespace de::spool {
namespace {

constexpr std::size_t kChunkBytes = 256UL << 10;  // One write; bounds the memory of a large append.

LossReason reason_of(const Error& error) {
  return error.code() == Errc::Exhausted ? LossReason::DiskFull : LossReason::WriteFailed;
}

// A field may come behind the others.
void append_sequence(std::string& event, std::uint64_t sequence) {
  append_varint(event, pb::ProcessEvent::kSequenceFieldNumber << 3);
  append_varint(event, sequence);
}

}  // namespace

struct Spool::Chunk {
  std::string bytes;
  std::vector<RecordRef> records;  // Offsets relative to the chunk.
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
};

Spool::Spool(SpoolOptions options, const Clock& clock, UniqueFd dir, StateFile state_file)
    : options_(std::move(options)), clock_(clock), dir_(std::move(dir)), state_file_(std::move(state_file)) {}

Spool::~Spool() {
  // Best effort on the way out: what fails here was never promised to anybody.
  const bool is_whole = active_ && sync();
  if (state_.spool_id.empty()) return;
  if (is_whole) state_.reserved = state_.last_sequence;
  (void)save(true);
}

Result<> Spool::append(const EncodedEvents& events) {
  Result<> result = reserve(events.size());
  Chunk chunk;
  std::string payload;
  std::size_t at = 0;
  for (const EncodedEvents::Item& item : events.items) {
    const std::uint64_t sequence = ++state_.last_sequence;
    const std::int64_t time_ms = item.time_ms;
    const std::string_view event = std::string_view(events.bytes).substr(at, item.bytes);
    at += item.bytes;
    ++counts_.appended;
    if (fault::drops("spool")) continue;
    if (!result) {
      // The disk is full or broken: trying every further event would only take time.
      ++counts_.refused;
      lose(sequence, sequence, time_ms, time_ms, reason_of(result.error()));
      continue;
    }
    payload.assign(event);
    append_sequence(payload, sequence);
    const std::size_t bytes = kRecordHeaderBytes + payload.size();
    if (bytes > kRecordHeaderBytes + kMaxEventBytes || kSegmentHeaderBytes + bytes > options_.max_bytes / 2) {
      ++counts_.refused;
      lose(sequence, sequence, time_ms, time_ms, LossReason::TooLarge);
      continue;
    }
    const std::uint64_t ahead = segments_.back().bytes + chunk.bytes.size() + bytes;
    if (!chunk.records.empty() && (ahead > options_.segment_bytes || chunk.bytes.size() + bytes > kChunkBytes))
      result = flush(chunk);
    if (result && (sealed_ || (!segments_.back().records.empty() && chunk.records.empty() &&
                               segments_.back().bytes + bytes > options_.segment_bytes)))
      result = rotate();
    if (!result) {
      ++counts_.refused;
      lose(sequence, sequence, time_ms, time_ms, reason_of(result.error()));
      continue;
    }
    if (chunk.records.empty()) chunk.from_ms = chunk.to_ms = time_ms;
    chunk.from_ms = std::min(chunk.from_ms, time_ms);
    chunk.to_ms = std::max(chunk.to_ms, time_ms);
    chunk.records.push_back(
        {sequence, static_cast<std::uint32_t>(chunk.bytes.size()), static_cast<std::uint32_t>(bytes)});
    append_record(chunk.bytes, seed_, sequence, payload);
  }
  if (result && !chunk.records.empty()) result = flush(chunk);
  if (!result) ++counts_.write_failures;
  if (state_dirty_) (void)save(true);  // Failing is counted, and tried again by the next sync.
  return result;
}

void Spool::append_lost(std::uint64_t count, std::int64_t from_ms, std::int64_t to_ms) {
  if (count == 0) return;
  state_.reserved = std::max(state_.reserved, state_.last_sequence + count);
  const std::uint64_t first = state_.last_sequence + 1;
  state_.last_sequence += count;
  counts_.appended += count;
  counts_.refused += count;
  lose(first, state_.last_sequence, from_ms, to_ms, LossReason::NotDelivered);
  (void)save(true);  // Failing is counted, and tried again by the next sync.
}

// Durable before any of them is given out, and seldom: a power cut takes back what was written, but no number.
Result<> Spool::reserve(std::uint64_t count) {
  if (state_.last_sequence + count <= state_.reserved) return {};
  state_.reserved = state_.last_sequence + count + kReservedNumbers;
  return save(true);
}

// Writes the chunk to the active segment and empties it. On failure its events are lost.
Result<> Spool::flush(Chunk& chunk) {
  Result<> result = make_room(chunk.bytes.size());
  if (result) result = write_active(chunk.bytes);
  Segment& active = segments_.back();
  if (!result) {
    counts_.refused += chunk.records.size();
    lose(chunk.records.front().sequence, chunk.records.back().sequence, chunk.from_ms, chunk.to_ms,
         reason_of(result.error()));
  } else {
    const bool first = active.records.empty();
    for (RecordRef ref : chunk.records) {
      ref.offset += static_cast<std::uint32_t>(active.bytes);
      active.records.add(ref, synced_bytes_);
    }
    active.from_ms = first ? chunk.from_ms : std::min(active.from_ms, chunk.from_ms);
    active.to_ms = first ? chunk.to_ms : std::max(active.to_ms, chunk.to_ms);
    active.bytes += chunk.bytes.size();
    counts_.bytes += chunk.bytes.size();
    counts_.written += chunk.records.size();
  }
  chunk = {};
  return result;
}

Result<> Spool::write_active(std::string_view bytes) {
  const std::uint64_t good = segments_.back().bytes;
  auto written = write_all(active_.get(), good, bytes);
  // Whatever part was written must not be found by a recovery: its numbers are reported as lost.
  if (!written && ::ftruncate(active_.get(), static_cast<off_t>(good)) != 0) sealed_ = true;
  return written;
}

Result<> Spool::make_room(std::uint64_t bytes) {
  while (counts_.bytes + bytes > options_.max_bytes) {
    if (segments_.size() == 1) {
      if (segments_.back().records.empty()) return fail(Errc::Exhausted, "the chunk is larger than the spool");
      DE_CHECK(rotate());
    }
    DE_CHECK(shed_oldest());
  }
  return {};
}

Result<> Spool::shed_oldest() {
  const Segment& oldest = segments_.front();
  // The loss is durable before the events are gone; a failure to store it is counted, and the cap still holds.
  if (!oldest.records.empty())
    lose(std::max(state_.acked + 1, oldest.records.first_sequence()), oldest.last_sequence(), oldest.from_ms,
         oldest.to_ms, LossReason::SizeCap);
  (void)save(true);
  remove_front();
  return {};
}

void Spool::lose(std::uint64_t first, std::uint64_t last, std::int64_t from_ms, std::int64_t to_ms, LossReason reason) {
  if (first > last) return;
  if (reason == LossReason::SizeCap) {
    counts_.shed += segments_.front().records.count_from(first);
  } else {
    counts_.shed += last - first + 1;
  }
  state_.lost.add({first, last, from_ms, to_ms, reason});
  state_dirty_ = true;
}

// Starts the next segment. The one before is synced, so that only the newest can ever be torn.
Result<> Spool::rotate() {
  if (active_) DE_CHECK(sync_records());
  SegmentHeader header{state_.spool_id, segments_.empty() ? state_.last_sequence + 1 : 0, clock_.unix_ms()};
  // Numbers already stamped in this append may still go into the new segment.
  if (header.first_sequence == 0) header.first_sequence = std::max(segments_.back().last_sequence(), state_.acked) + 1;
  const std::uint32_t number = segments_.empty() ? 1 : segments_.back().number + 1;
  const std::string name = segment_name(number);
  UniqueFd fd(::openat(dir_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return disk_failure("create " + name);
  auto written = write_all(fd.get(), 0, encode_header(header));
  if (written && ::fsync(dir_.get()) != 0) written = disk_failure("sync directory");
  if (!written) {
    ::unlinkat(dir_.get(), name.c_str(), 0);
    return fail(std::move(written).error().during("start " + name));
  }
  Segment segment;
  segment.number = number;
  segment.bytes = kSegmentHeaderBytes;
  segment.first_sequence = header.first_sequence;
  segment.from_ms = segment.to_ms = header.created_ms;
  segments_.push_back(std::move(segment));
  active_ = std::move(fd);
  synced_bytes_ = 0;
  sealed_ = false;
  counts_.bytes += kSegmentHeaderBytes;
  forget_acknowledged();
  return {};
}

Result<> Spool::sync_records() {
  if (synced_bytes_ == segments_.back().bytes) return {};
  if (::fdatasync(active_.get()) != 0) {
    auto failed = disk_failure("sync spool");
    ++counts_.sync_failures;
    lose_unsynced(reason_of(failed.value()));
    return failed;
  }
  synced_bytes_ = segments_.back().bytes;
  return {};
}

Result<> Spool::sync_what_waits() {
  const bool waits = state_.acked < looked_at_;
  looked_at_ = state_.last_sequence;
  return waits || state_dirty_ ? sync() : Result<>();
}

Result<> Spool::sync() {
  Result<> result = sync_records();
  if (state_dirty_) {
    auto saved = save(true);
    if (result) result = std::move(saved);
  }
  return result;
}

// After a failed sync the kernel forgets which pages it could not write, and a second sync would lie. What was not
// synced and not acknowledged is taken back and reported as lost; should it arrive all the same, it was there first.
void Spool::lose_unsynced(LossReason reason) {
  Segment& active = segments_.back();
  const std::uint64_t keep = std::max<std::uint64_t>(synced_bytes_, kSegmentHeaderBytes);
  const std::uint64_t last = active.last_sequence();
  // From the first of them on: numbers before it that are missing were lost before, and are counted.
  if (const std::uint64_t first = active.records.cut(keep); first != 0)
    lose(std::max(first, state_.acked + 1), last, active.from_ms, active.to_ms, reason);
  (void)!::ftruncate(active_.get(), static_cast<off_t>(keep));  // sealed_ keeps us from writing behind it if it fails.
  counts_.bytes -= active.bytes - keep;
  active.bytes = synced_bytes_ = keep;
  sealed_ = true;
}

Result<> Spool::acknowledge(std::uint64_t sequence) {
  if (sequence > state_.last_sequence)
    return fail(Errc::Invalid, "acknowledges " + std::to_string(sequence) + ", but only " +
                                   std::to_string(state_.last_sequence) + " were given out");
  if (sequence <= state_.acked) return {};
  state_.acked = sequence;
  state_.lost.forget_up_to(sequence);
  (void)save(false);  // Losing it costs a repeated batch, which the agent recognises.
  forget_acknowledged();
  return {};
}

void Spool::forget_acknowledged() {
  if (segments_.size() < 2 || segments_.front().last_sequence() > state_.acked) return;
  // Durable first: otherwise a power cut would make acknowledged events look lost.
  if (!save(true)) return;
  while (segments_.size() > 1 && segments_.front().last_sequence() <= state_.acked) remove_front();
}

void Spool::remove_front() {
  ::unlinkat(dir_.get(), segment_name(segments_.front().number).c_str(), 0);
  counts_.bytes -= segments_.front().bytes;
  segments_.pop_front();
}

Result<> Spool::save(bool durable) {
  auto saved = state_file_.write(state_, durable);
  if (!saved) {
    ++counts_.state_failures;
    state_dirty_ = true;
  } else if (durable) {
    state_dirty_ = false;
  }
  return saved;
}

double Spool::fill() const {
  std::uint64_t pending = 0;
  for (const Segment& segment : segments_) {
    const Run* run = segment.records.find(state_.acked + 1);
    if (run == nullptr) continue;
    // Those of one run are taken to be equally large.
    const std::uint64_t done = state_.acked + 1 - std::min(state_.acked + 1, run->first);
    pending += segment.bytes - run->offset - run->bytes * done / run->count;
  }
  return std::min(1.0, static_cast<double>(pending) / static_cast<double>(options_.max_bytes));
}

SpoolCounts Spool::counts() const {
  SpoolCounts counts = counts_;
  counts.segments = segments_.size();
  return counts;
}

}  // namespace de::spool
