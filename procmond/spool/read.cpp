// Reading the spool back: batches of events, and gaps where numbers are missing.
#include <fcntl.h>

#include <algorithm>

#include "spool/disk.h"
#include "spool/spool.h"

namespace de::spool {
namespace {

constexpr char kTopic[] = "events.process.batch";
constexpr std::size_t kMaxReadBytes = 8UL << 20;  // Of one read_after: what the caller has to hold.
constexpr std::size_t kMaxPublishes = 1024;       // A spool of gaps only must not grow the answer without end.

// The record that is `skip` records behind the start of `run`'s bytes, whose lengths lead from one to the next.
// Errors: Corrupt.
Result<Record> nth_record(std::string_view bytes, std::uint32_t seed, const Run& run, std::uint64_t skip) {
  for (std::uint64_t i = 0;; ++i) {
    DE_TRY(record, read_record(bytes, seed));
    if (record.sequence != run.first + i) return fail(Errc::Corrupt, "another record than was written");
    if (i == skip) return record;
    bytes.remove_prefix(kRecordHeaderBytes + record.payload.size());
  }
}

// An Envelope with a Publish with an EventBatch, from the batch's own bytes.
std::string to_envelope(std::string_view batch) {
  std::string publish;
  publish.reserve(batch.size() + 64);
  append_field(publish, pb::Publish::kTopicFieldNumber, kTopic);
  append_field(publish, pb::Publish::kEventsFieldNumber, batch);
  std::string envelope;
  envelope.reserve(publish.size() + 16);
  append_field(envelope, pb::Envelope::kPublishFieldNumber, publish);
  return envelope;
}

}  // namespace

struct Spool::Place {
  std::size_t segment = 0;  // segments_.size() when there is no such record.
  Run run;
  std::uint64_t skip = 0;

  std::uint64_t sequence() const { return run.first + skip; }
};

Result<std::vector<Outgoing>> Spool::read_after(std::uint64_t sequence, std::size_t max_events) {
  std::vector<Outgoing> answer;
  std::uint64_t at = std::max(sequence, state_.acked);
  std::size_t events = 0;
  std::size_t bytes = 0;
  while (events < max_events && bytes < kMaxReadBytes && answer.size() < kMaxPublishes && at < state_.last_sequence) {
    const Place next = find_after(at);
    const bool at_end = next.segment == segments_.size();
    Outgoing out;
    if (at_end || next.sequence() != at + 1) {
      pb::Envelope envelope;
      pb::Publish& publish = *envelope.mutable_publish();
      publish.set_topic(kTopic);
      *publish.mutable_gap() = gap_after(at, next);
      out.last_sequence = publish.gap().last_sequence();
      out.envelope = envelope.SerializeAsString();
    } else {
      DE_TRY(batch, read_batch(next, std::min(kMaxBatchEvents, max_events - events), bytes));
      if (batch.events == 0) continue;  // Its first record went bad and is forgotten: now it is a gap.
      events += batch.events;
      out = std::move(batch);
    }
    at = out.last_sequence;
    answer.push_back(std::move(out));
  }
  return answer;
}

Spool::Place Spool::find_after(std::uint64_t sequence) const {
  const auto segment = std::partition_point(
      segments_.begin(), segments_.end(), [sequence](const Segment& each) { return each.last_sequence() <= sequence; });
  for (auto each = segment; each != segments_.end(); ++each) {
    if (const Run* run = each->records.find(sequence + 1))
      return {static_cast<std::size_t>(each - segments_.begin()), *run,
              std::max(sequence + 1, run->first) - run->first};
  }
  return {segments_.size(), {}, 0};
}

// The last record that is not above `sequence`.
Spool::Place Spool::find_before(std::uint64_t sequence) const {
  for (std::size_t i = segments_.size(); i-- > 0;) {
    if (const Run* run = segments_[i].records.find_back(sequence))
      return {i, *run, std::min(sequence, run->last()) - run->first};
  }
  return {segments_.size(), {}, 0};
}

// The missing numbers after `sequence`, as far as they have one reason.
pb::Gap Spool::gap_after(std::uint64_t sequence, const Place& next) {
  const bool at_end = next.segment == segments_.size();
  const std::uint64_t hole_end = at_end ? state_.last_sequence : next.sequence() - 1;
  pb::Gap gap;
  gap.set_first_sequence(sequence + 1);
  if (const LostRange* known = state_.lost.find(sequence + 1)) {
    gap.set_last_sequence(std::min(hole_end, known->last));
    gap.set_from_ms(known->from_ms);
    gap.set_to_ms(known->to_ms);
    gap.set_reason(to_text(known->reason));
    gap.set_at_most(known->reason == LossReason::PowerCut);
    return gap;
  }
  const std::uint64_t known_next = state_.lost.next_above(sequence + 1);
  gap.set_last_sequence(known_next == 0 ? hole_end : std::min(hole_end, known_next - 1));
  gap.set_reason(to_text(LossReason::Damaged));
  // Nothing is left of these events; their neighbours bound the time.
  const std::int64_t to_ms = at_end ? clock_.unix_ms() : event_time(next);
  std::int64_t from_ms = to_ms;
  if (const Place before = find_before(sequence); before.segment != segments_.size()) {
    from_ms = event_time(before);
  } else if (!segments_.empty() && segments_.front().first_sequence <= sequence + 1) {
    from_ms = segments_.front().from_ms;
  }
  gap.set_from_ms(std::min(from_ms, to_ms));
  gap.set_to_ms(to_ms);
  return gap;
}

// Up to `max_events` events that lie one behind the other, starting at `place`. Where a record does not read back any
// more the batch ends, and the segment is searched for what is left of it; one whose file is gone has nothing left.
Result<Outgoing> Spool::read_batch(const Place& place, std::size_t max_events, std::size_t& bytes) {
  Segment& segment = segments_[place.segment];
  const bool goes_on = cursor_.segment == segment.number && cursor_.sequence == place.sequence();
  std::uint64_t sequence = goes_on ? cursor_.sequence : place.run.first;
  std::uint32_t offset = goes_on ? cursor_.offset : place.run.offset;
  cursor_ = {};
  Run last = place.run;
  while (last.last() + 1 - place.sequence() < max_events) {
    const Run* next = segment.records.find(last.last() + 1);
    if (next == nullptr || next->first != last.last() + 1 || next->offset != last.offset + last.bytes ||
        next->offset + next->bytes - offset > kMaxBatchBytes)
      break;
    last = *next;
  }
  Outgoing out;
  std::string batch;
  const std::size_t length = last.offset + last.bytes - offset;
  const bool is_tail =
      place.segment + 1 == segments_.size() && offset >= tail_offset_ && offset + length <= tail_offset_ + tail_.size();
  Result<std::string> raw = is_tail ? std::string() : read_segment(segment, offset, length);
  if (!raw && raw.error().code() == Errc::NotFound) {
    ++counts_.damaged_regions;
    segment.records.clear();
    return out;
  }
  if (!raw) return fail(std::move(raw).error());
  std::string_view left = is_tail ? std::string_view(tail_).substr(offset - tail_offset_, length) : *raw;
  for (; sequence <= last.last() && out.events < max_events; ++sequence) {
    const Result<Record> record = is_tail ? record_in_memory(left) : read_record(left, seed_);
    if (!record || record->sequence != sequence) {
      ++counts_.damaged_regions;
      index_again(segment);
      out.envelope = to_envelope(batch);
      return out;
    }
    const std::size_t record_bytes = kRecordHeaderBytes + record->payload.size();
    left.remove_prefix(record_bytes);
    offset += static_cast<std::uint32_t>(record_bytes);
    if (sequence < place.sequence()) continue;
    bytes += record_bytes;
    append_field(batch, pb::EventBatch::kEventsFieldNumber, record->payload);
    out.last_sequence = sequence;
    ++out.events;
  }
  cursor_ = {segment.number, sequence, offset};
  out.envelope = to_envelope(batch);
  return out;
}

void Spool::index_again(Segment& segment) {
  segment.records.clear();
  const auto raw = read_segment(segment, 0, segment.bytes);
  if (!raw) return;
  const std::uint64_t apart = &segment == &segments_.back() ? synced_bytes_ : 0;
  for (const RecordRef& ref : scan_segment(*raw, seed_, segment.first_sequence).records)
    segment.records.add(ref, apart);
}

std::int64_t Spool::event_time(const Place& place) const {
  const Segment& segment = segments_[place.segment];
  const auto raw = read_segment(segment, place.run.offset, place.run.bytes);
  if (!raw) return segment.to_ms;
  const auto record = nth_record(*raw, seed_, place.run, place.skip);
  pb::ProcessEvent event;
  return record && event.ParseFromArray(record->payload.data(), static_cast<int>(record->payload.size())) &&
                 event.event_time_ms() != 0
             ? event.event_time_ms()
             : segment.to_ms;
}

Result<std::string> Spool::read_segment(const Segment& segment, std::uint64_t offset, std::size_t bytes) const {
  if (&segment == &segments_.back()) return read_range(active_.get(), offset, bytes);
  const std::string name = segment_name(segment.number);
  const UniqueFd fd(::openat(dir_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return disk_failure("open " + name);
  return read_range(fd.get(), offset, bytes);
}

}  // namespace de::spool
