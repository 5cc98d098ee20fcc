// Reads one process: the cheap columns every time, the slow ones when a sign says so. See slow_columns.h.
//
// Thread: collector.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "collect/linux/proc_root.h"
#include "collect/linux/proc_status.h"
#include "collect/linux/process_cache.h"
#include "collect/linux/slow_columns.h"
#include "collect/linux/watched_thread.h"
#include "collect/process_source.h"
#include "daemoneye/base/clock.h"

namespace de::collect {

enum class Mode : std::uint8_t { Snapshot, Visit };
// LeftBehind: nobody waits for this reader any more.
enum class Outcome : std::uint8_t { Read, Unreadable, Vanished, LeftBehind };

constexpr std::uint64_t kTickNs = 10'000'000;
constexpr std::uint64_t kTickMs = 10;
constexpr std::size_t kMaxStatBytes = 4096;
constexpr std::size_t kKeepBuffer = 64UL * 1024;
constexpr std::uint32_t kRefreshSweeps = 8;            // Slow columns of an unchanged process are at most this old.
constexpr std::int64_t kMinCpuWindowNs = 100'000'000;  // Shorter ones measure the 10 ms tick, not the process.

class ProcessReader {
 public:
  // `clock` outlives everything, also a reader that was left behind; `texts` only one that was not.
  ProcessReader(SharedProcRoot root, const Clock& clock, TextPool& texts);

  std::int64_t boot_time_ms() const { return boot_time_ms_; }  // Any thread.
  // `use`: kTell..., of everybody.
  void begin_sweep(std::uint32_t use);
  void begin_visit(std::uint32_t use) { use_ = use; }
  // Asks at once for the signs of all of `pids` that are known, and that `leave_out` does not name. False: left behind.
  bool ask_signs(std::span<const std::uint32_t> pids, const std::function<bool(std::uint32_t)>& leave_out,
                 Watch& watch);
  // Calls `fn` with one record unless the process vanished. Where it may wait, the watch knows. `may_wait`: false when
  // this process is known not to answer; then only what is known of it is told.
  Outcome read(std::uint32_t pid, Mode mode, bool may_wait, Watch& watch, const RecordFn& fn);
  bool was_read_in_sweep(std::uint32_t pid) const;
  // Ends a sweep: who was not read in it is not alive.
  void forget_unseen();
  // Goes on where `hung` hangs and was left behind. Before anything else.
  void succeed(ProcessReader& hung);

 private:
  struct Known : CachedProcess {
    std::uint64_t start_ticks = 0;  // With the pid: the identity.
    Signs signs;
    // For cpu_usage: CPU time at the last snapshot and when that was.
    std::uint64_t cpu_ticks = 0;
    std::int64_t cpu_at_ns = 0;
  };
  struct Before {  // What is known of a process, for comparison.
    std::uint64_t start_ticks = 0;
    Signs signs;
    std::optional<FileFacts> image;
  };
  // One process while it is being read.
  struct Reading {
    std::uint32_t pid = 0;
    std::optional<ProcDir> dir;
    ProcStat stat;  // Its comm borrows from stat_text_.
    Signs signs;
    std::optional<FileFacts> image;
    bool is_new = true;
    bool denied = false;
    bool doubtful = false;   // Something was not there that should be: has the process ended?
    bool refreshed = false;  // The following were read.
    ReadTexts texts;
    bool slow_denied = false;
    ToldUse use;
    std::optional<ProcessFacts> facts;  // Of a process just read whole.
  };

  // These may wait, and touch nothing but the reading and what no successor takes over.
  Outcome gather(Reading& reading, const std::optional<Before>& before, bool may_wait);
  Outcome update(Reading& reading, const std::optional<Before>& before, bool may_wait);
  Result<> read_stat(const ProcDir& dir, ProcStat& stat);
  void read_signs(Reading& reading, bool may_wait);
  void take_signs(const ProcessSigns& told, Reading& reading);
  void ask_facts(Reading& reading);
  Outcome refresh(Reading& reading, bool may_wait);
  Outcome check_alive(Reading& reading);

  void adopt(Reading& reading, Known& known);
  Known new_process(std::uint32_t pid, const ProcStat& stat) const;
  void find_parent(const Reading& reading, Known& known);
  Outcome hand_out(Reading& reading, Known& known, Mode mode, const RecordFn& fn);
  Outcome hand_out_unreadable(std::uint32_t pid, const RecordFn& fn);
  void add_metrics(Reading& reading, Known& known, Mode mode);
  void adopt_boot_time();

  const SharedProcRoot root_;
  const Clock& clock_;
  TextPool& texts_;
  SlowColumns slow_;
  const std::uint64_t page_bytes_;
  std::unordered_map<std::uint32_t, Known> cache_;
  std::unordered_map<std::uint32_t, ProcessSigns> asked_;  // Of the last batch.
  pb::ProcessRecord record_, part_;                        // Scratch, so that a steady sweep allocates next to nothing.
  std::string stat_text_, buffer_, io_text_;
  std::atomic<std::int64_t> boot_time_ms_ = 0;
  std::uint32_t sweep_ = 0;
  std::uint32_t use_ = kTellAllUse;
};

// Inode of our own mount namespace, 0 when it cannot be told.
std::uint64_t own_mounts(int proc_fd);

// The start of a process is known since boot; its wall time moves when the wall clock is set. Small differences are the
// clock being read twice.
std::int64_t current_boot_time_ms(const Clock& clock, std::int64_t before);

}  // namespace de::collect
