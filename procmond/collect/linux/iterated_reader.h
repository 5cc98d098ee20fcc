// Makes a record of what the iterator says about a process, and of the little that only /proc knows: the command line,
// the birth time of the executable, what its path leads to now, the control group on hosts with version 1. That is read
// when the process is new or has changed in anything, and otherwise once in a few sweeps.
//
// Thread: a watched one.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collect/linux/bpf/process_layout.h"
#include "collect/linux/exe_file.h"
#include "collect/linux/process_cache.h"
#include "collect/linux/process_reader.h"
#include "collect/linux/slow_columns.h"
#include "collect/linux/watched_thread.h"
#include "collect/text_pool.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/crypto/siphash.h"

namespace de::collect {

class IteratedReader {
 public:
  // As for ProcessReader.
  IteratedReader(SharedProcRoot root, const Clock& clock, TextPool& texts);

  std::int64_t boot_time_ms() const { return boot_time_ms_; }  // Any thread.
  // Returns its number. `wanted`: what the passes that follow tell of the columns on demand.
  std::uint32_t begin_sweep(Wanted wanted);
  void begin_visit(Wanted wanted) {
    forget_shared();
    wanted_ = wanted;
  }
  // `record` comes from the iterator. `same`: see ProcessSource::sweep.
  Outcome read(std::string_view record, Mode mode, bool may_wait, Watch& watch, const RecordFn& fn, const SameFn& same);
  bool was_read_in_sweep(std::uint32_t pid) const;
  // Known from the sweep before, not read in this one, and in /proc all the same.
  bool has_missed_any() const;
  void forget_unseen();
  void succeed(IteratedReader& hung);

 private:
  struct Known : CachedProcess {
    std::uint64_t start_ns = 0;  // With the pid: the identity.
    std::uint64_t steady = 0;    // A hash of what changes seldom; 0: to be read again.
    std::uint64_t exec_id = 0;
    bool is_told = false;      // Whole, and it is still like that.
    std::uint64_t run_ns = 0;  // For cpu_usage: CPU time at the last snapshot and when that was.
    std::int64_t run_at_ns = 0;
  };
  // One process while it is being read.
  struct Reading {
    de_process from;
    std::string_view path, cwd, root, cgroup;
    std::uint64_t steady = 0;
    bool is_new = true;
    bool refreshed = false;
    bool torn = false;  // It ran something else while it was read.
    bool denied = false;
    ReadTexts texts;
    std::optional<FileFacts> image;
    std::optional<ProcessFacts> facts;
    bool has_image_only = false;  // In the facts.
    // Instead of what the iterator could not sum up.
    std::optional<ProcStat> stat;
    std::optional<std::uint32_t> fd_count;

    std::uint32_t pid() const { return from.steady.task.pid; }
    bool is_kernel_thread() const { return (from.steady.task.flags & DE_KERNEL_THREAD) != 0; }
  };

  struct FileView {  // A file as seen in this sweep.
    bool is_known = false;
    FileFacts image;
    std::string columns;  // A serialised record.
  };

  static bool split(std::string_view record, Reading& reading);
  // These may wait; see ProcessReader.
  Outcome refresh(Reading& reading, bool may_wait);
  std::uint64_t hash_of(const FileFacts& file, std::string_view link, std::uint32_t mounts) const;
  void forget_shared() {
    cgroups_.clear();
    files_.clear();
  }
  bool is_same(const ProcDir& dir, const Reading& reading);
  void read_image(Reading& reading, bool may_wait, pb::ProcessRecord& out);
  const ProcessFacts& ask_facts(Reading& reading, bool may_wait, bool image_only);
  void read_paths(Reading& reading, bool may_wait, pb::ProcessRecord& out);
  void read_cgroup(const ProcDir& dir, Reading& reading, pb::ProcessRecord& out);
  void read_arguments(const ProcDir& dir, Reading& reading);
  void complete_metrics(Reading& reading);
  void set_owner(const de_steady& steady, pb::ProcessRecord& out);

  void adopt(Reading& reading, Known& known);
  void hand_out(const Reading& reading, Known& known, Mode mode, const RecordFn& fn, const SameFn& same);
  void add_metrics(const Reading& reading, Known& known, Mode mode);
  void adopt_boot_time();

  const SharedProcRoot root_;
  const Clock& clock_;
  TextPool& texts_;
  SlowColumns slow_;
  const crypto::SipHash hash_;
  const std::uint64_t page_bytes_;
  std::unordered_map<std::uint32_t, Known> known_;
  // Of this sweep, by the kernel's set of control groups: a serialised record. Most processes share a few dozen.
  std::unordered_map<std::uint64_t, std::string> cgroups_;
  std::unordered_map<std::uint64_t, FileView> files_;  // Of this sweep; as many as there are programs.
  pb::ProcessRecord record_, part_, place_;            // Scratch.
  std::string buffer_, stat_text_;
  std::atomic<std::int64_t> boot_time_ms_ = 0;
  std::uint32_t sweep_ = 0;
  Wanted wanted_ = kEverything;
};

}  // namespace de::collect
