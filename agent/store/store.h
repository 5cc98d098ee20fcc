// The agent's memory: snapshots, events, gaps and alerts in LMDB, one environment per UTC day plus one for state.
//
// A scan is stored as what changed since the one before it and is read back row by row as it was given. Every value
// carries a version and a CRC; a day with a value that does not check is quarantined and named, the others stay
// readable. A full disk deletes nothing: the write fails with Errc::Exhausted and works again when there is room.
//
// Thread: writer, except where a method says "any thread".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/alert.pb.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/process.pb.h"
#include "daemoneye/schema/event_columns.h"
#include "daemoneye/trace.pb.h"

namespace de::store {

// Of everything below the store's directory; another one with every change that an older agent could not read.
constexpr std::uint32_t kStoreFormat = 1;

struct StoreOptions {
  std::string dir;  // Created with mode 0700 when missing (its parent must exist).
  std::uint32_t retention_days = 30;
  std::uint64_t max_bytes = 1024ULL << 20;
  std::uint32_t max_alerts = 100'000;             // The oldest delivered ones make room.
  std::uint64_t max_capture_bytes = 64ULL << 20;  // Likewise of what traces captured.
  std::uint64_t day_map_bytes = 64ULL << 30;      // Address space, not disk: 64 GiB cost 8 kB.
  std::uint64_t state_map_bytes = 16ULL << 30;
};

struct ScanMeta {
  std::uint64_t scan_id = 0;
  std::int64_t time_ms = 0;
  std::string collector;
  pb::ScanSummary summary;
};

// Sequences that never arrived, first and last included.
struct SequenceJump {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

// The events of one or several messages, in order. The messages outlive it.
class EventRefs {
 public:
  EventRefs() = default;
  EventRefs(const pb::EventBatch& batch) { add(batch); }  // NOLINT(google-explicit-constructor)
  void add(const pb::EventBatch& batch) {
    for (const pb::ProcessEvent& event : batch.events()) events_.push_back(&event);
  }
  std::span<const pb::ProcessEvent* const> events() const { return events_; }

 private:
  std::vector<const pb::ProcessEvent*> events_;
};

struct AppendOutcome {
  std::uint64_t stored = 0;
  std::uint64_t duplicates = 0;
  std::vector<SequenceJump> jumps;   // For the caller to record with append_gap.
  std::uint64_t acked_sequence = 0;  // Everything up to here is committed or known to be lost.
};

enum class AlertOutcome : std::uint8_t { Stored, Folded };

struct AlertFilter {
  std::uint32_t limit = 100;  // 0 means none; at most 10,000.
  std::string rule_id;        // Empty: all.
  std::optional<pb::Severity> severity;
  std::uint64_t before = 0;  // Only those with a lower sequence; 0: all.
};

struct CaptureFilter {  // What is set must hold, all of it.
  std::int64_t from_ms = 0;
  std::int64_t to_ms = INT64_MAX;  // Half open.
  std::string rule_id;
  std::optional<std::uint32_t> pid;
  std::string after;  // CapturePage::after of the page before.
};
struct CapturePage {
  std::vector<pb::Capture> captures;  // Oldest first.
  std::string after;                  // Empty: nothing is left.
};

struct PendingDelivery {
  pb::Delivery delivery;
  pb::Alert alert;
};

struct StoredGap {
  std::string collector;
  std::string spool_id;
  std::int64_t recorded_ms = 0;
  pb::Gap gap;
};

// One version of a process as the life records know it: everything but the metrics.
enum class LifeKind : std::uint8_t {
  Start = 1,    // First seen in this scan.
  Modify = 2,   // Something that is not a metric changed.
  Carried = 3,  // Already alive when the day or the agent started.
};
struct LifeFilter {  // Exactly one is set.
  std::optional<std::uint32_t> pid;
  std::optional<std::uint32_t> ppid;
  std::string name;             // Case-insensitive.
  std::string executable_hash;  // Hexadecimal.
};

struct EventFilter {  // What is set must hold, all of it.
  std::int64_t from_ms = 0;
  std::int64_t to_ms = INT64_MAX;  // Half open: [from_ms, to_ms).
  std::optional<std::uint32_t> pid;
  std::optional<std::uint32_t> ppid;
  std::string process_uid;      // 16 raw bytes.
  std::string name;             // Exactly as in the record.
  std::string executable_hash;  // Likewise.
  std::optional<pb::EventType> type;
  // Some text of the event must pass: pieces of it as it is serialized that hold whole fields, without those of
  // ancestors, metrics and collector. Many events have the same one; it is asked about once in a block.
  std::function<bool(std::string_view text)> any_text;
  std::uint64_t after = 0;    // Only what was stored behind this position: ReadOutcome::position of an earlier call.
  bool newest_first = false;  // By the time of the event; otherwise oldest first.
  schema::EventParts parts = schema::kAllParts;  // Nobody looks at the others; they may be missing.
};

struct HistoryFilter {  // What is set must hold, all of it.
  std::int64_t from_ms = 0;
  std::int64_t to_ms = INT64_MAX;  // Half open, as the time of the scan.
  std::optional<std::uint32_t> pid;
  std::optional<std::uint32_t> ppid;
  std::string process_uid;      // 16 raw bytes.
  std::string name;             // Exactly as in the record.
  std::string executable_hash;  // Likewise.
  std::optional<std::uint64_t> scan_id;
};

struct DayProblem {
  std::string day;  // "2026-01-02"
  std::string reason;
};

struct ReadOutcome {
  std::uint64_t rows = 0;
  std::uint64_t passed_over = 0;     // find_events: of which no text passed.
  bool stopped = false;              // The callback asked to stop.
  std::uint64_t position = 0;        // find_events: everything stored up to here was looked at, unless stopped.
  std::vector<DayProblem> excluded;  // Quarantined days inside the range: the answer is degraded.
};

struct RemovedDay {
  std::string day;
  std::uint64_t bytes = 0;
  std::string reason;  // "older than 30 days" or "store over 1073741824 bytes"
};

struct DayStats {
  std::string day;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;  // Rows of all its scans.
  std::uint64_t events = 0;
  std::uint64_t scans = 0;
};

struct StoreStats {
  std::vector<DayStats> days;  // Oldest first, without the quarantined.
  std::vector<DayProblem> quarantined;
  std::uint64_t bytes = 0;  // Everything below the directory, allocated on disk.
  std::uint64_t records = 0;
  std::uint64_t events = 0;
  std::uint64_t scans = 0;
  std::uint64_t gaps = 0;
  std::uint64_t gaps_removed = 0;
  std::uint64_t alerts_open = 0;
  std::uint64_t alerts_acknowledged = 0;
  std::uint64_t alerts_closed = 0;
  std::uint64_t alerts_removed = 0;  // Delivered ones that made room.
  std::uint64_t captures = 0;
  std::uint64_t captures_removed = 0;  // The oldest, that made room, since the store was opened.
  std::uint64_t deliveries_pending = 0;
  bool reserve_held = false;
};

// Return false to stop. The callback runs inside a read transaction: it must not block or call the Store.
using ScanFn = std::function<bool(const ScanMeta&, const pb::ProcessRecord&)>;
using ScanMetaFn = std::function<bool(const ScanMeta&, std::uint64_t rows)>;
using EventFn = std::function<bool(std::string_view collector, const pb::ProcessEvent&)>;
using LifeFn = std::function<bool(LifeKind, std::int64_t time_ms, const pb::ProcessRecord&)>;

// A row of a stored scan, and how many the scan has. Returns whether it was taken; else it comes again next time. The
// callback runs inside a read transaction.
using HistoryFn = std::function<bool(const ScanMeta&, std::uint64_t rows, const pb::ProcessRecord&)>;

class HistoryReading {
 public:
  virtual ~HistoryReading() = default;
  // Hands out rows until `fn` takes no more, or it has looked for a while. False: nothing is left.
  virtual Result<bool> next(const HistoryFn& fn) = 0;
};

// As find_events() gives them, but an event that was not taken comes again next time.
class EventReading {
 public:
  virtual ~EventReading() = default;
  // Hands out events until `fn` takes no more, or it has looked for a while. False: nothing is left.
  virtual Result<bool> next(const EventFn& fn) = 0;
};

class Store {
 public:
  // Conflict: another agent has the directory. Denied: not ours, or open to others.
  static Result<std::unique_ptr<Store>> open(StoreOptions options, const Clock& clock);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // One scan at a time (Conflict otherwise). `bytes` is the record serialised, or what it was parsed from. add()
  // refuses a record without a 16-byte process_uid (Invalid), a uid that the scan already has (Conflict) and a record
  // over 4 MiB (TooLarge); the scan goes on without it. After a failed finish_scan() the scan is gone and leaves no
  // trace.
  Result<> begin_scan(const ScanMeta& meta);
  Result<> add(const pb::ProcessRecord& record, std::string_view bytes);
  Result<> finish_scan();
  Result<> finish_scan(const pb::ScanSummary& summary);  // When the summary came with the last chunk.
  void abandon_scan();

  // Events at or below the watermark of (collector, spool id) are duplicates; the watermark moves in the same
  // transaction as the events. Sequence 0 is Invalid.
  Result<AppendOutcome> append_events(std::string_view collector, std::string_view spool_id, const EventRefs& events);
  // A gap moves the watermark to its last sequence when it lies above. Recording one twice keeps one.
  Result<AppendOutcome> append_gap(std::string_view collector, std::string_view spool_id, const pb::Gap& gap);
  Result<std::vector<StoredGap>> list_gaps(std::int64_t from_ms, std::int64_t to_ms) const;   // Any thread.
  std::uint64_t acked_sequence(std::string_view collector, std::string_view spool_id) const;  // Any thread.

  // Stored: assigns alert.sequence (and count, first/last seen) and one delivery per sink, in one transaction.
  // Folded: an alert with this dedupe_key was stored less than the window ago; its count and last_seen_ms are
  // raised and `alert` becomes that alert. An empty dedupe_key or a window of 0 never folds.
  Result<AlertOutcome> put_alert(pb::Alert& alert, std::span<const std::string> sinks, std::int64_t dedupe_window_ms);
  Result<std::vector<pb::Alert>> list_alerts(const AlertFilter& filter) const;  // Newest first. Any thread.
  // By id or a prefix of at least 6 characters. NotFound, Conflict when several match, Invalid when too short.
  Result<pb::Alert> find_alert(std::string_view id) const;  // Any thread.

  Result<std::vector<PendingDelivery>> pending(std::string_view sink, std::size_t max) const;  // Any thread.
  Result<std::vector<pb::Delivery>> deliveries(std::uint64_t alert_sequence) const;            // Any thread.
  Result<> mark_delivered(std::string_view sink, std::uint64_t alert_sequence);
  Result<> mark_attempt(std::string_view sink, std::uint64_t alert_sequence, std::string_view error);

  // What a trace read of a process. Errors: those of CaptureLog::put().
  Result<> put_capture(const pb::Capture& capture);
  Result<CapturePage> read_captures(const CaptureFilter& filter) const;  // Any thread.

  // A text that outlives the program, under a name; it replaces the one before.
  Result<> put_note(std::string_view name, std::string_view text);
  Result<std::optional<std::string>> find_note(std::string_view name) const;  // Any thread.

  // Oldest first, [from_ms, to_ms). The rows of a scan come in no particular order. Any thread.
  Result<ReadOutcome> read_scans(std::int64_t from_ms, std::int64_t to_ms, const ScanFn& fn) const;
  Result<ReadOutcome> list_scans(std::int64_t from_ms, std::int64_t to_ms, const ScanMetaFn& fn) const;
  // The same row by row as somebody asks, in the same order. Any thread; the store outlives the reading.
  std::unique_ptr<HistoryReading> read_history(const HistoryFilter& filter) const;
  Result<ReadOutcome> read_events(std::int64_t from_ms, std::int64_t to_ms, const EventFn& fn) const;
  // In order of time, so that the first rows of a long answer are the right ones. An empty range still tells the
  // position: that is how to begin following new events.
  Result<ReadOutcome> find_events(const EventFilter& filter, const EventFn& fn) const;
  // The same event by event as somebody asks; of the moment it began. Any thread; the store outlives the reading.
  Result<std::unique_ptr<EventReading>> read_events(const EventFilter& filter) const;
  Result<ReadOutcome> find_lives(const LifeFilter& filter, std::int64_t from_ms, std::int64_t to_ms,
                                 const LifeFn& fn) const;

  // Instead of what it was opened with; counts from the next enforce_retention(). Any thread.
  void keep(std::uint32_t retention_days, std::uint64_t max_bytes);
  // Removes whole days, oldest first, never today; takes the reserve back when there is room.
  Result<std::vector<RemovedDay>> enforce_retention();
  // Gives the preallocated 1 MiB back to a full disk, so that one more alert can be written.
  Result<> release_reserve();
  Result<StoreStats> stats() const;  // Any thread.

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace de::store
