#include "ingest/intake.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "daemoneye/base/fault.h"
#include "daemoneye/log/log.h"
#include "ingest/reason.h"
#include "ingest/stored_rows.h"

namespace de::ingest {
namespace {

constexpr std::size_t kMaxReasons = 16;
constexpr std::int64_t kGapCountsForMs = 3'600'000;

}  // namespace

Intake::Intake(store::Store& store, mirror::Mirror& mirror, boost::asio::thread_pool& writer, const Clock& clock,
               OnImage on_image)
    : store_(store), mirror_(mirror), writer_(writer), clock_(clock), on_image_(std::move(on_image)) {}

link::Task<std::uint64_t> Intake::publish(std::string collector, std::string spool_id, pb::Publish publish) {
  switch (publish.body_case()) {
    case pb::Publish::kSnapshot:
      co_return co_await take_chunk(std::move(collector), std::move(*publish.mutable_snapshot()));
    case pb::Publish::kGap:
      co_return co_await take_gap(std::move(collector), std::move(spool_id), std::move(*publish.mutable_gap()));
    case pb::Publish::kEvents:     // publish_events()
    case pb::Publish::kTableRows:  // The catalog's.
    case pb::Publish::BODY_NOT_SET:
      break;
  }
  co_return fail(Errc::Corrupt, "published message without a body");
}

Result<> Intake::check_order(const std::string& collector, const pb::SnapshotChunk& chunk) {
  if (chunk.chunk() == 0) return {};
  if (!scan_open_ || scan_.collector != collector || scan_.scan_id != chunk.scan_id() ||
      scan_.next_chunk != chunk.chunk())
    return fail(Errc::Corrupt, "snapshot chunk " + std::to_string(chunk.chunk()) + " is out of order");
  return {};
}

link::Task<std::uint64_t> Intake::take_chunk(std::string collector, pb::SnapshotChunk chunk) {
  // The rest of a snapshot that we could not take was under way already: not the collector's fault.
  if (chunk.chunk() == 0) {
    failed_scan_.reset();
  } else if (failed_scan_ == FailedScan{collector, chunk.scan_id()}) {
    co_return std::uint64_t{0};
  }
  counts_.records_received += static_cast<std::uint64_t>(chunk.processes_size());
  auto order = check_order(collector, chunk);
  if (!order) co_return fail(std::move(order).error());
  const bool first = chunk.chunk() == 0;
  if (first && scan_open_ && scan_.collector != collector)
    co_return fail(Errc::Conflict, "a snapshot of collector " + scan_.collector + " is being taken in");
  if (first) {
    auto dropped = co_await drop_scan();
    if (!dropped) co_return fail(std::move(dropped).error());
    scan_ = OpenScan();
    scan_.collector = collector;
    scan_.scan_id = chunk.scan_id();
    scan_open_ = true;
  }
  scan_.next_chunk = chunk.chunk() + 1;
  scan_.books.received += static_cast<std::uint64_t>(chunk.processes_size());
  if (scan_.books.received > kMaxScanRecords)
    co_return fail(Errc::Invalid, "snapshot has more than a million processes");

  auto job = [this, &collector, &chunk, first] { return write_chunk(collector, chunk, first); };
  auto done = co_await link::run_on(writer_, std::move(job));
  if (!done) {
    auto dropped = co_await drop_scan();
    if (!dropped) co_return fail(std::move(dropped).error());
    note_failure(collector, done.error());
    failed_scan_ = FailedScan{collector, chunk.scan_id()};
    // A snapshot is repeated anyway: the session goes on, the next one may find room.
    co_return std::uint64_t{0};
  }
  counts_.records_stored += done->stored;
  counts_.records_rejected += done->rejected;
  scan_.books.stored += done->stored;
  scan_.books.rejected += done->rejected;
  if (done->image) {
    scan_open_ = false;
    failure_.clear();
    ++counts_.scans;
    scan_.books.in_store = done->in_store.value_or(scan_.books.stored);
    scan_.books.in_mirror = done->in_mirror;
    note_summary(collector, chunk.summary(), scan_);
    on_image_(done->image);
  }
  co_return std::uint64_t{0};
}

Result<Intake::ChunkDone> Intake::write_chunk(const std::string& collector, const pb::SnapshotChunk& chunk,
                                              bool first) {
  ChunkDone done;
  if (first) {
    store::ScanMeta meta;
    meta.scan_id = chunk.scan_id();
    meta.time_ms = chunk.scan_time_ms();
    meta.collector = collector;
    DE_CHECK(store_.begin_scan(meta));
    DE_CHECK(mirror_.begin_scan(chunk.scan_id(), chunk.scan_time_ms()));
  }
  std::string bytes;  // Serialised once for both.
  for (const pb::ProcessRecord& record : chunk.processes()) {
    if (fault::drops("ingest")) continue;
    (void)record.SerializeToString(&bytes);  // Fails without required fields, which proto3 has not.
    if (const auto added = store_.add(record, bytes); !added) {
      ++done.rejected;
      continue;
    }
    DE_CHECK(mirror_.upsert(record, bytes));
    ++done.stored;
  }
  if (!chunk.last()) return done;
  // Committed first: nothing is alerted on that was not stored.
  DE_CHECK(store_.finish_scan(chunk.summary()));
  DE_TRY(image, mirror_.finish_scan());
  const auto read_rows = [&done](const store::ScanMeta&, std::uint64_t rows) {
    done.in_store = rows;
    return true;
  };
  if (const std::int64_t time_ms = chunk.scan_time_ms(); time_ms < std::numeric_limits<std::int64_t>::max())
    DE_CHECK(store_.list_scans(time_ms, time_ms + 1, read_rows));
  done.in_mirror = image->rows + mirror_.counts().duplicates;
  done.image = std::move(image);
  return done;
}

link::Task<> Intake::drop_scan() {
  if (!scan_open_) co_return Result<>{};
  scan_open_ = false;
  ++counts_.scans_abandoned;
  auto job = [this]() -> Result<> {
    store_.abandon_scan();
    mirror_.abandon_scan();
    return {};
  };
  co_return co_await link::run_on(writer_, std::move(job));
}

link::Task<> Intake::abandon(std::string collector) {
  if (!scan_open_ || scan_.collector != collector) co_return Result<>{};
  co_return co_await drop_scan();
}

void Intake::note_summary(const std::string& collector, const pb::ScanSummary& summary, const OpenScan& scan) {
  scan_reasons_ = reasons_of(collector, summary, scan.books);
  counts_.records_lost += losses_of(summary, scan.books);
}

link::Task<std::uint64_t> Intake::publish_events(std::string collector, std::string spool_id,
                                                 bus::EventBatches batches) {
  store::EventRefs events;
  for (const auto& batch : batches) events.add(*batch);
  const std::uint64_t arrived = events.events().size();
  counts_.events_received += arrived;
  counts_.events_in_flight += arrived;
  std::vector<pb::Gap> gaps;
  auto job = [this, &collector, &spool_id, &events, &gaps]() -> Result<store::AppendOutcome> {
    DE_TRY(outcome, store_.append_events(collector, spool_id, events));
    for (const store::SequenceJump& jump : outcome.jumps) {
      pb::Gap& gap = gaps.emplace_back();
      gap.set_first_sequence(jump.first);
      gap.set_last_sequence(jump.last);
      gap.set_from_ms(events.events().empty() ? clock_.unix_ms() : events.events().front()->event_time_ms());
      gap.set_to_ms(clock_.unix_ms());
      gap.set_reason(kSequenceJump);
      DE_CHECK(store_.append_gap(collector, spool_id, gap));
    }
    return outcome;
  };
  auto outcome = co_await link::run_on(writer_, std::move(job));
  counts_.events_in_flight -= arrived;
  if (!outcome) {
    counts_.events_received -= arrived;  // They come again.
    note_failure(collector, outcome.error());
    co_return fail(std::move(outcome).error());
  }
  failure_.clear();
  counts_.events_stored += outcome->stored;
  counts_.events_duplicate += outcome->duplicates;
  for (const pb::Gap& gap : gaps) {
    counts_.events_lost += events_in(gap);
    note_gap(collector, gap, clock_.unix_ms());
  }
  co_return outcome->acked_sequence;
}

link::Task<std::uint64_t> Intake::take_gap(std::string collector, std::string spool_id, pb::Gap gap) {
  if (gap.first_sequence() == 0 || gap.last_sequence() < gap.first_sequence())
    co_return fail(Errc::Corrupt, "gap without a range");
  const std::uint64_t known = store_.acked_sequence(collector, spool_id);
  auto job = [this, &collector, &spool_id, &gap] { return store_.append_gap(collector, spool_id, gap); };
  auto outcome = co_await link::run_on(writer_, std::move(job));
  if (!outcome) {
    note_failure(collector, outcome.error());
    co_return fail(std::move(outcome).error());
  }
  // One that comes again because its acknowledgement was lost counts once.
  if (gap.last_sequence() > known) {
    counts_.events_lost += gap.last_sequence() - std::max(known, gap.first_sequence() - 1);
    note_gap(collector, gap, clock_.unix_ms());
  }
  co_return outcome->acked_sequence;
}

Result<> Intake::recall_gaps() {
  const std::int64_t now_ms = clock_.unix_ms();
  DE_TRY(gaps, store_.list_gaps(now_ms - kGapCountsForMs, now_ms + 1));
  for (const store::StoredGap& gap : gaps) note_gap(gap.collector, gap.gap, gap.recorded_ms);
  return {};
}

void Intake::note_gap(const std::string& collector, const pb::Gap& gap, std::int64_t recorded_ms) {
  if (gaps_.size() >= kMaxReasons) gaps_.pop_front();
  gaps_.push_back({recorded_ms + kGapCountsForMs, reason_of(collector, gap)});
}

void Intake::note_failure(const std::string& collector, const Error& error) {
  ++counts_.commit_failures;
  const bool full = error.code() == Errc::Exhausted;
  if (failure_.empty()) log::error("ingest", "commit failed", {log::field("reason", error.message())});
  failure_.assign(1, make_reason(full ? "ResourceLimit" : "IngestFailed", error.message(), collector));
}

std::vector<pb::Reason> Intake::reasons() const {
  std::vector<pb::Reason> all = scan_reasons_;
  for (const NotedGap& gap : gaps_)
    if (gap.until_ms > clock_.unix_ms()) all.push_back(gap.reason);
  all.insert(all.end(), failure_.begin(), failure_.end());
  return all;
}

}  // namespace de::ingest
