// The collector: one scan is one snapshot of every process plus the events since the scan before.
//
// Thread: collector; counts() and boot_id(): any. Create it after privileges were dropped: its hashing
// thread keeps the capabilities of its creator.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "collect/exe_hash.h"
#include "collect/process_diff.h"
#include "collect/process_source.h"
#include "collect/text_pool.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/process.pb.h"
#include "daemoneye/tasks.pb.h"

namespace de::collect {

struct CollectorOptions {
  SourceOptions source;
  HashOptions hash;
  DiffOptions diff;
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
  std::uint64_t suspicious = 0;
  std::uint64_t tasks = 0;
  std::uint64_t tasks_failed = 0;
  std::uint64_t tracked = 0;  // Processes alive as far as we know.
  HashCounts hash;
};

class Collector {
 public:
  // `clock` outlives the collector. Errors: those of make_process_source.
  static Result<std::unique_ptr<Collector>> create(const CollectorOptions& options, const Clock& clock);
  // The same over another source of processes.
  static std::unique_ptr<Collector> create_over(std::unique_ptr<ProcessSource> source, const CollectorOptions& options,
                                                const Clock& clock);

  // Hands every process to `on_record` (which may take the record away) and appends to `events` what happened since
  // the scan before; the first scan appends none. Errors: Denied, Io (the list of processes could not be read).
  Result<pb::ScanSummary> scan(const std::function<void(pb::ProcessRecord&)>& on_record,
                               std::vector<pb::ProcessEvent>& events);

  // Never fails: what went wrong is in the answer. The answer fits a 4 MiB frame.
  pb::DetectionResult run_task(const pb::DetectionTask& task);

  Counts counts() const;
  const std::string& boot_id() const { return source_->boot_id(); }
  // Writes the file of known hashes; the destructor does it too.
  Result<> save_hashes() { return hasher_ ? hasher_->save() : Result<>(); }

 private:
  Collector(std::unique_ptr<TextPool> texts, std::unique_ptr<ProcessSource> source, const CollectorOptions& options,
            const Clock& clock);

  void add_hash(pb::ProcessRecord& record, const FileKey& image);
  void count_events(const std::vector<pb::ProcessEvent>& events, std::size_t first);

  const Clock& clock_;
  const std::unique_ptr<TextPool> texts_;  // Before its users.
  const std::unique_ptr<ProcessSource> source_;
  const std::unique_ptr<ExeHasher> hasher_;  // Null when hashing is off.
  ProcessDiff diff_;
  std::unordered_set<FileKey, FileKeyHash> pending_;  // Images of this scan without a hash; bounded.
  mutable std::mutex mutex_;
  Counts counts_;  // Guarded by mutex_.
};

}  // namespace de::collect
