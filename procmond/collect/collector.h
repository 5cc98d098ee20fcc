// The collector: kernel events as they happen, and scans that find what no event told. Both go through one model, so
// that what comes out never contradicts itself.
//
// Thread: scan() and run_task() one thread (collector); collect_events(), counts() and boot_id() any. Create it after
// privileges were dropped: its hashing thread keeps the capabilities of its creator.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "collect/books.h"
#include "collect/column_plans.h"
#include "collect/exe_hash.h"
#include "collect/image_hashes.h"
#include "collect/live_processes.h"
#include "collect/process_iterator.h"
#include "collect/process_source.h"
#include "collect/shed.h"
#include "collect/text_pool.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/process.pb.h"
#include "daemoneye/tasks.pb.h"
#include "spool/outgoing.h"

namespace de::collect {

struct CollectorOptions {
  SourceOptions source;
  HashOptions hash;
  DiffOptions diff;
  // False: snapshots have every column. True: columns on demand only as far as plans ask for them.
  bool on_demand = false;
};

struct Counts {
  std::uint64_t scans = 0;
  std::uint64_t scans_failed = 0;
  std::uint64_t seen = 0;  // seen == reported + vanished, over all scans.
  std::uint64_t reported = 0;
  std::uint64_t unreadable = 0;
  std::uint64_t vanished = 0;
  std::uint64_t starts = 0;
  std::uint64_t exits = 0;
  std::uint64_t modified = 0;
  std::uint64_t execs = 0;
  std::uint64_t suspicious = 0;
  std::uint64_t tasks = 0;
  std::uint64_t tasks_failed = 0;
  std::uint64_t tracked = 0;  // Processes alive as far as we know.
  FeedCounts feed;            // All zero without a feed.
  ModelCounts model;
  HashCounts hash;
  SourceState source;
  PlanCounts plans;
};

// What collect_events() brings.
struct Collected {
  spool::EncodedEvents events;
  std::size_t held = 0;    // That many stayed.
  bool is_urgent = false;  // Something else than forks and ends happened.
  std::uint64_t lost = 0;  // Happened, and never reached us: between from_ms and to_ms.
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
};

// What was left out under pressure since the start.
struct ShedCounts {
  std::uint64_t environments = 0;
  std::uint64_t hashes = 0;
  std::uint64_t arguments = 0;
};

class Collector {
 public:
  // `clock` outlives the collector. Errors: those of make_process_source.
  // `feed` may be null: then differences between scans are all there is to tell. Without `iterator` scans read /proc.
  static Result<std::unique_ptr<Collector>> create(const CollectorOptions& options, const Clock& clock,
                                                   std::unique_ptr<EventFeed> feed = nullptr,
                                                   std::unique_ptr<ProcessIterator> iterator = nullptr);
  // The same over another source of processes.
  static std::unique_ptr<Collector> create_over(std::unique_ptr<ProcessSource> source, const CollectorOptions& options,
                                                const Clock& clock, std::unique_ptr<EventFeed> feed = nullptr);

  // Readable when collect_events() has something to fetch; -1 without a feed.
  int wake_fd() const;
  // Everything the kernel has told until now. Errors: Closed, Io: the feed is gone; replace it.
  // Without `all` they stay here as long as all of them can wait: a process that forked is what its parent is, and
  // usually runs something else a moment later.
  Result<Collected> collect_events(bool all = true);
  // Somebody is about to wait for wake_fd().
  void fall_asleep();
  // Takes another feed from now on, or none. What the old one still holds is fetched first.
  Collected replace_feed(std::unique_ptr<EventFeed> feed);

  // Hands every process to `on_record` (which may take the record away) and appends to `events` what happened since
  // the scan before; the first scan appends none. Errors: Denied, Io (the list of processes could not be read).
  Result<pb::ScanSummary> scan(const std::function<void(pb::ProcessRecord&)>& on_record, EventList& events);

  // Never fails: what went wrong is in the answer. The answer fits a 4 MiB frame.
  pb::DetectionResult run_task(const pb::DetectionTask& task);
  // Ends the plan of that task, if there is one.
  void revoke_task(const std::string& task_id);
  // Whoever asked is gone: nobody wants columns on demand any more.
  void end_session();

  // Compares what different code counted. Called in every interval; without a feed there is nothing to compare.
  std::vector<pb::Finding> check_books();

  // What to leave out from now on. Any thread, and nobody waits.
  void shed(Shedding level) {
    shedding_ = level;
    if (hasher_) hasher_->pause(level >= Shedding::Hashes);
  }
  ShedCounts shed_counts() const { return {environments_shed_, hashes_shed_, arguments_shed_}; }
  // How full the kernel's buffer was at its fullest since the last call, 0 to 1.
  double take_peak_fill() { return peak_fill_.exchange(0); }

  Counts counts() const;
  // The process that reads for us what takes privileges has ended. Any thread.
  bool opener_is_gone() const { return source_->state().opener_is_gone; }
  const std::string& boot_id() const { return source_->boot_id(); }
  // Writes the file of known hashes; the destructor does it too.
  Result<> save_hashes() { return hasher_ ? hasher_->save() : Result<>(); }

 private:
  Collector(std::unique_ptr<TextPool> texts, std::unique_ptr<ProcessSource> source, const CollectorOptions& options,
            const Clock& clock, std::unique_ptr<EventFeed> feed);

  void add_hash(pb::ProcessRecord& record, const FileKey& image);
  bool observe(pb::ProcessRecord& record, const std::optional<FileKey>& image, EventList& events);
  bool observe_same(pb::ProcessRecord& record, const std::optional<FileKey>& image, EventList& events);
  void count_events(const EventList& events, int first);
  Result<> drain();
  void drain_what_happened();
  void note_losses();
  void look_up(KernelEvent& event);
  void note_pressure();
  bool may_hash() const { return shedding_.load() < Shedding::Hashes; }
  void skip_hash(pb::ProcessRecord& record);
  Demand begin_demand();
  Result<> accept_plan(const pb::DetectionTask& task);

  const Clock& clock_;
  const std::unique_ptr<TextPool> texts_;  // Before its users.
  const std::unique_ptr<ProcessSource> source_;
  const bool on_demand_;
  const bool environments_;
  const std::unique_ptr<ExeHasher> hasher_;           // Null when hashing is off.
  const std::unique_ptr<ImageHashes> image_hashes_;   // The same.
  std::unordered_set<FileKey, FileKeyHash> pending_;  // Images of this scan without a hash; bounded.
  std::atomic<Shedding> shedding_ = Shedding::Nothing;
  std::atomic<double> peak_fill_ = 0;
  std::atomic<std::uint64_t> environments_shed_ = 0, hashes_shed_ = 0, arguments_shed_ = 0;
  // For everything below. Held for one record or one draining of the feed at a time.
  mutable std::mutex mutex_;
  std::unique_ptr<EventFeed> feed_;
  LiveProcesses live_;
  std::unique_ptr<ProcessSource> event_source_;  // For feeds that do not say what they saw; its own, scans have theirs.
  pb::ProcessRecord looked_up_;                  // Scratch.
  ToldEvents told_;                              // Of one kernel event; scratch.
  Collected collected_;                          // Since the last collect_events().
  std::uint64_t losses_noted_ = 0;               // Of feed_.
  FeedCounts shed_noted_;                        // The same.
  std::int64_t last_drain_ms_ = 0;
  std::optional<Error> feed_end_;  // Why feed_ tells nothing any more.
  Counts counts_;
  CloneCheck clones_;
  ColumnPlans plans_;  // Changed by the collector thread only, with mutex_ held.
};

}  // namespace de::collect
