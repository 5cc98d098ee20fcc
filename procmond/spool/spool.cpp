#include "spool/spool.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "daemoneye/base/fault.h"
#include "spool/disk.h"

namespace de::spool {
namespace {

constexpr std::size_t kChunkBytes = 256UL << 10;   // One write; bounds the memory of a large append.
constexpr std::size_t kMaxTailBytes = 64UL << 10;  // What is larger is read back from the disk.
constexpr char kSpareName[] = "spool.spare";

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
    tail_offset_ = active.bytes;
    active.bytes += chunk.bytes.size();
    counts_.bytes += chunk.bytes.size();
    counts_.written += chunk.records.size();
    tail_.clear();
    if (chunk.bytes.size() <= kMaxTailBytes) tail_.swap(chunk.bytes);
  }
  chunk = {};
  return result;
}

SegmentHeader Spool::header_of(const Segment& segment) const {
  return {state_.spool_id, segment.number, static_cast<std::uint32_t>(segment.bytes), segment.first_sequence,
          segment.created_ms};
}

// Only with the header do the bytes count: what was written without it is not found by a recovery, and its numbers are
// reported as lost.
Result<> Spool::write_active(std::string_view bytes) {
  Segment& active = segments_.back();
  DE_CHECK(write_all(active_.get(), active.bytes, bytes));
  SegmentHeader header = header_of(active);
  header.used_bytes += static_cast<std::uint32_t>(bytes.size());
  auto written = write_all(active_.get(), 0, encode_header(header));
  if (!written) sealed_ = true;
  return written;
}

Result<> Spool::make_room(std::uint64_t bytes) {
  while (counts_.bytes + spare_bytes_ + bytes > options_.max_bytes) {
    if (spare_bytes_ != 0) {
      remove_spare();
      continue;
    }
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

// The spare file under its new name, or a new one. Until its header has the new number, nothing is in it.
Result<UniqueFd> Spool::next_file(std::uint32_t number) {
  const std::string name = segment_name(number);
  if (std::exchange(spare_bytes_, 0) != 0 && ::renameat(dir_.get(), kSpareName, dir_.get(), name.c_str()) == 0) {
    UniqueFd fd(::openat(dir_.get(), name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (fd) return fd;
    auto failed = disk_failure("open " + name);
    ::unlinkat(dir_.get(), name.c_str(), 0);  // Or the name would be taken for good.
    return failed;
  }
  UniqueFd fd(::openat(dir_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return disk_failure("create " + name);
  return fd;
}

// Starts the next segment. The one before may wait for its sync, but none before that: only the two newest can ever be
// torn.
Result<> Spool::rotate() {
  DE_CHECK(sync_before());
  Segment next;
  next.number = segments_.empty() ? 1 : segments_.back().number + 1;
  next.bytes = kSegmentHeaderBytes;
  // Numbers already stamped in this append may still go into the new segment.
  next.first_sequence =
      segments_.empty() ? state_.last_sequence + 1 : std::max(segments_.back().last_sequence(), state_.acked) + 1;
  next.created_ms = next.from_ms = next.to_ms = clock_.unix_ms();
  DE_TRY(fd, next_file(next.number));
  is_dir_synced_ = false;
  if (auto written = write_all(fd.get(), 0, encode_header(header_of(next))); !written) {
    ::unlinkat(dir_.get(), segment_name(next.number).c_str(), 0);
    return fail(std::move(written).error().during("start " + segment_name(next.number)));
  }
  if (active_ && synced_bytes_ != segments_.back().bytes) {
    before_ = std::move(active_);
    before_synced_bytes_ = synced_bytes_;
  }
  segments_.push_back(std::move(next));
  active_ = std::move(fd);
  tail_.clear();
  synced_bytes_ = 0;
  sealed_ = false;
  counts_.bytes += kSegmentHeaderBytes;
  forget_acknowledged();
  return {};
}

Result<> Spool::sync_records() {
  DE_CHECK(sync_before());
  if (!is_dir_synced_ && ::fsync(dir_.get()) != 0) {
    ++counts_.sync_failures;
    return disk_failure("sync spool directory");
  }
  is_dir_synced_ = true;
  Segment& active = segments_.back();
  if (synced_bytes_ == active.bytes) return {};
  if (::fdatasync(active_.get()) != 0) {
    auto failed = disk_failure("sync spool");
    lose_unsynced(active, active_.get(), synced_bytes_, reason_of(failed.value()));
    synced_bytes_ = active.bytes;
    sealed_ = true;
    return failed;
  }
  synced_bytes_ = active.bytes;
  return {};
}

Result<> Spool::sync_before() {
  if (!before_) return {};
  const UniqueFd fd = std::exchange(before_, UniqueFd());
  Segment& segment = segments_[segments_.size() - 2];
  if (segment.last_sequence() <= state_.acked || ::fdatasync(fd.get()) == 0) return {};
  auto failed = disk_failure("sync spool");
  lose_unsynced(segment, fd.get(), before_synced_bytes_, reason_of(failed.value()));
  return failed;
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
void Spool::lose_unsynced(Segment& segment, int fd, std::uint64_t synced, LossReason reason) {
  ++counts_.sync_failures;
  const std::uint64_t keep = std::max<std::uint64_t>(synced, kSegmentHeaderBytes);
  const std::uint64_t last = segment.last_sequence();
  // From the first of them on: numbers before it that are missing were lost before, and are counted.
  if (const std::uint64_t first = segment.records.cut(keep); first != 0)
    lose(std::max(first, state_.acked + 1), last, segment.from_ms, segment.to_ms, reason);
  counts_.bytes -= segment.bytes - keep;
  segment.bytes = keep;
  tail_.clear();
  (void)write_all(fd, 0, encode_header(header_of(segment)));  // What is found again is reported as lost and is not.
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

// The agent says again what it has before anything is read: a power cut that takes the watermark back loses nothing.
void Spool::forget_acknowledged() {
  while (segments_.size() > 1 && segments_.front().last_sequence() <= state_.acked) {
    const Segment& front = segments_.front();
    const bool is_kept = spare_bytes_ == 0 && front.bytes <= options_.segment_bytes &&
                         ::renameat(dir_.get(), segment_name(front.number).c_str(), dir_.get(), kSpareName) == 0;
    if (!is_kept) {
      remove_front();
      continue;
    }
    spare_bytes_ = front.bytes;
    drop_front();
  }
}

void Spool::remove_front() {
  ::unlinkat(dir_.get(), segment_name(segments_.front().number).c_str(), 0);
  drop_front();
}

// Its file stays.
void Spool::drop_front() {
  if (segments_.size() == 2) before_.reset();
  counts_.bytes -= segments_.front().bytes;
  segments_.pop_front();
}

void Spool::remove_spare() {
  ::unlinkat(dir_.get(), kSpareName, 0);  // Often there is none.
  spare_bytes_ = 0;
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
