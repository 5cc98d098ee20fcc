// Reads one process: the cheap columns every time, the slow ones when a sign says so. See slow_columns.h.
//
// Thread: collector.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "collect/linux/process_cache.h"
#include "collect/linux/slow_columns.h"
#include "collect/process_source.h"
#include "daemoneye/base/clock.h"

namespace de::collect {

enum class Mode : std::uint8_t { Snapshot, Visit };
enum class Outcome : std::uint8_t { Read, Unreadable, Vanished };

constexpr std::uint64_t kTickNs = 10'000'000;
constexpr std::size_t kMaxStatBytes = 4096;

class ProcessReader {
 public:
  // All references and `proc_fd` outlive the reader.
  ProcessReader(const SourceOptions& options, const Clock& clock, TextPool& texts, int proc_fd,
                const std::string& boot_id);

  std::int64_t boot_time_ms() const { return boot_time_ms_; }  // Any thread.
  void begin_sweep();
  // Calls `fn` with one record unless the process vanished.
  Outcome read(std::uint32_t pid, Mode mode, const RecordFn& fn);
  // Ends a sweep: who was not read in it is not alive.
  void forget_unseen();

 private:
  // One process while it is being read. `stat.comm` borrows from stat_text_.
  struct Reading {
    const ProcDir& dir;
    std::uint32_t pid;
    ProcStat stat;
    bool denied = false;
    bool doubtful = false;  // Something was not there that should be: has the process ended?
  };

  Result<> read_stat(const ProcDir& dir, ProcStat& stat);
  // `before`: what they were, for comparison.
  Signs read_signs(Reading& reading, const Signs& before);
  bool is_stale(const CachedProcess& known, const Reading& reading, const Signs& signs) const;
  Outcome update(Reading& reading, CachedProcess& known, bool is_new);
  Outcome refresh(Reading& reading, Signs& signs, CachedProcess& known);
  Outcome check_alive(Reading& reading);
  CachedProcess new_process(std::uint32_t pid, const ProcStat& stat) const;
  void find_parent(const Reading& reading, CachedProcess& known);
  Outcome hand_out(Reading& reading, CachedProcess& known, Mode mode, const RecordFn& fn);
  Outcome hand_out_unreadable(std::uint32_t pid, const RecordFn& fn);
  void add_metrics(Reading& reading, CachedProcess& known, Mode mode);
  void add_io_and_fds(Reading& reading);
  void adopt_boot_time();

  const SourceOptions& options_;
  const Clock& clock_;
  TextPool& texts_;
  const int proc_fd_;
  const std::string& boot_id_;
  SlowColumns slow_;
  const std::uint64_t page_bytes_;
  const bool fd_sizes_;
  std::unordered_map<std::uint32_t, CachedProcess> cache_;
  pb::ProcessRecord record_, part_;  // Scratch, so that a steady sweep allocates next to nothing.
  std::string stat_text_, buffer_;
  std::atomic<std::int64_t> boot_time_ms_ = 0;
  std::uint32_t sweep_ = 0;
};

}  // namespace de::collect
