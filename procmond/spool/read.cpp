// Reading the spool back: batches of events, and gaps where numbers are missing.
#include <fcntl.h>

#include <algorithm>

#include "spool/disk.h"
#include "spool/spool.h"

namespace de::spool {
namespace {

constexpr char kTopic[] = "events.process.batch";
constexpr std::size_t kMaxBatchBytes = kMaxEventBytes;
constexpr std::size_t kMaxReadBytes = 8UL << 20;  // Of one read_after: what the caller has to hold.
constexpr std::size_t kMaxPublishes = 1024;       // A spool of gaps only must not grow the answer without end.

// The event's bytes; nothing when the record is not the one it should be.
std::string_view event_bytes(std::string_view bytes, std::uint32_t seed, const RecordRef& ref) {
  const auto record = read_record(bytes, seed);
  return record && record->sequence == ref.sequence ? record->payload : std::string_view();
}

void append_field(std::string& out, int number, std::string_view bytes) {
  constexpr int kLengthDelimited = 2;
  append_varint(out, static_cast<std::uint64_t>(number << 3 | kLengthDelimited));
  append_varint(out, bytes.size());
  out += bytes;
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
  std::size_t index = 0;
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
    if (at_end || segments_[next.segment].records[next.index].sequence != at + 1) {
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
    const auto record =
        std::upper_bound(each->records.begin(), each->records.end(), sequence,
                         [](std::uint64_t value, const RecordRef& ref) { return value < ref.sequence; });
    if (record != each->records.end())
      return {static_cast<std::size_t>(each - segments_.begin()),
              static_cast<std::size_t>(record - each->records.begin())};
  }
  return {segments_.size(), 0};
}

// The missing numbers after `sequence`, as far as they have one reason.
pb::Gap Spool::gap_after(std::uint64_t sequence, const Place& next) {
  const bool at_end = next.segment == segments_.size();
  const std::uint64_t hole_end =
      at_end ? state_.last_sequence : segments_[next.segment].records[next.index].sequence - 1;
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
  const std::int64_t to_ms =
      at_end ? clock_.unix_ms() : event_time(segments_[next.segment], segments_[next.segment].records[next.index]);
  std::int64_t from_ms = to_ms;
  for (const Segment& segment : segments_) {
    if (segment.first_sequence <= sequence + 1) from_ms = segment.from_ms;
    const auto before =
        std::upper_bound(segment.records.begin(), segment.records.end(), sequence,
                         [](std::uint64_t value, const RecordRef& ref) { return value < ref.sequence; });
    if (before == segment.records.begin()) break;
    if (before != segment.records.end() || segment.records.back().sequence == sequence)
      from_ms = event_time(segment, *(before - 1));
  }
  gap.set_from_ms(std::min(from_ms, to_ms));
  gap.set_to_ms(to_ms);
  return gap;
}

// Up to `max_events` events that lie one behind the other, starting at `place`. A record that does not read back any
// more is dropped from the index, with those of the segment if its file is gone; the batch ends before it.
Result<Outgoing> Spool::read_batch(const Place& place, std::size_t max_events, std::size_t& bytes) {
  Segment& segment = segments_[place.segment];
  const RecordRef first = segment.records[place.index];
  std::size_t count = 1;
  std::size_t length = first.bytes;
  while (count < max_events && place.index + count < segment.records.size()) {
    const RecordRef& ref = segment.records[place.index + count];
    if (ref.sequence != first.sequence + count || ref.offset != first.offset + length ||
        length + ref.bytes > kMaxBatchBytes)
      break;
    length += ref.bytes;
    ++count;
  }
  Outgoing out;
  std::string batch;
  auto raw = read_segment(segment, first.offset, length);
  if (!raw && raw.error().code() == Errc::NotFound) {
    ++counts_.damaged_regions;
    segment.records.clear();
    return out;
  }
  if (!raw) return fail(std::move(raw).error());
  for (std::size_t i = 0; i < count; ++i) {
    const RecordRef ref = segment.records[place.index + i];
    const std::string_view at =
        std::string_view(*raw).substr(std::min(raw->size(), std::size_t{ref.offset} - first.offset));
    const std::string_view event = event_bytes(at.substr(0, ref.bytes), seed_, ref);
    if (event.empty()) {
      ++counts_.damaged_regions;
      segment.records.erase(segment.records.begin() + static_cast<std::ptrdiff_t>(place.index + i));
      break;
    }
    bytes += ref.bytes;
    append_field(batch, pb::EventBatch::kEventsFieldNumber, event);
    out.last_sequence = ref.sequence;
    ++out.events;
  }
  out.envelope = to_envelope(batch);
  return out;
}

std::int64_t Spool::event_time(const Segment& segment, const RecordRef& ref) const {
  const auto raw = read_segment(segment, ref.offset, ref.bytes);
  pb::ProcessEvent event;
  return raw && event.ParseFromString(std::string(event_bytes(*raw, seed_, ref))) && event.event_time_ms() != 0
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
