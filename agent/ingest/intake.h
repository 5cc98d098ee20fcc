// What collectors publish, on its way into the store and the mirror. Acknowledged after commit, never before.
//
// Thread: io; the store and the mirror are touched on the writer pool only (one thread).
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bus/collector_session.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/control.pb.h"
#include "daemoneye/link/task.h"
#include "ingest/scan_books.h"
#include "mirror/mirror.h"
#include "store/store.h"

namespace de::ingest {

// received == stored + rejected for records, received == stored + duplicate + in flight for events. The left side is
// counted when a message arrives, the right side where it is committed.
struct Counts {
  std::uint64_t records_received = 0;
  std::uint64_t records_stored = 0;
  std::uint64_t records_rejected = 0;
  std::uint64_t events_received = 0;
  std::uint64_t events_stored = 0;
  std::uint64_t events_duplicate = 0;
  std::uint64_t events_in_flight = 0;  // Being committed.
  std::uint64_t events_lost = 0;       // In gaps.
  ScanLosses records_lost;             // Between the stages, over all scans.
  std::uint64_t scans = 0;
  std::uint64_t scans_abandoned = 0;
  std::uint64_t commit_failures = 0;
};

class Intake {
 public:
  static constexpr std::uint32_t kMaxScanRecords = 1'000'000;

  // Called on the io thread after every committed snapshot.
  using OnImage = std::function<void(std::shared_ptr<const mirror::Image>)>;

  // All references outlive the intake.
  Intake(store::Store& store, mirror::Mirror& mirror, boost::asio::thread_pool& writer, const Clock& clock,
         OnImage on_image);
  // Reads the gaps of the last hour, which an agent that was restarted does not forget. Before anything is published.
  Result<> recall_gaps();

  // Returns the sequence to acknowledge, or 0. Errors: Corrupt, Invalid (the collector's fault); Exhausted, Io, ...
  // (ours: nothing was committed).
  link::Task<std::uint64_t> publish(std::string collector, std::string spool_id, pb::Publish publish);
  // The same for events, those of several messages in one commit.
  link::Task<std::uint64_t> publish_events(std::string collector, std::string spool_id, bus::EventBatches batches);
  // The collector is gone: an unfinished snapshot of its is dropped.
  link::Task<> abandon(std::string collector);

  const Counts& counts() const { return counts_; }
  // Why the snapshot or the events may be incomplete: a gap counts for an hour after it was recorded.
  std::vector<pb::Reason> reasons() const;

 private:
  struct OpenScan {
    std::string collector;
    std::uint64_t scan_id = 0;
    std::uint32_t next_chunk = 0;
    ScanBooks books;
  };
  struct ChunkDone {
    std::uint64_t stored = 0;
    std::uint64_t rejected = 0;
    // With the last chunk, of the whole scan. Nothing: it is filed under another time than the impossible one it
    // claims.
    std::optional<std::uint64_t> in_store;
    std::uint64_t in_mirror = 0;
    std::shared_ptr<const mirror::Image> image;
  };

  link::Task<std::uint64_t> take_chunk(std::string collector, pb::SnapshotChunk chunk);
  link::Task<std::uint64_t> take_gap(std::string collector, std::string spool_id, pb::Gap gap);
  Result<> check_order(const std::string& collector, const pb::SnapshotChunk& chunk);
  Result<ChunkDone> write_chunk(const std::string& collector, const pb::SnapshotChunk& chunk, bool first);
  link::Task<> drop_scan();
  void note_summary(const std::string& collector, const pb::ScanSummary& summary, const OpenScan& scan);
  void note_gap(const std::string& collector, const pb::Gap& gap, std::int64_t recorded_ms);
  void note_failure(const std::string& collector, const Error& error);

  store::Store& store_;
  mirror::Mirror& mirror_;
  boost::asio::thread_pool& writer_;
  const Clock& clock_;
  const OnImage on_image_;
  Counts counts_;
  bool scan_open_ = false;
  OpenScan scan_;
  using FailedScan = std::pair<std::string, std::uint64_t>;  // Collector and scan id.
  std::optional<FailedScan> failed_scan_;                    // Its further chunks are let pass unread.
  struct NotedGap {
    std::int64_t until_ms = 0;  // Wall clock.
    pb::Reason reason;
  };
  std::vector<pb::Reason> scan_reasons_;  // Of the latest snapshot.
  std::deque<NotedGap> gaps_;             // At most kMaxReasons; the oldest make room.
  std::vector<pb::Reason> failure_;       // The last commit failed; cleared by one that works.
};

}  // namespace de::ingest
