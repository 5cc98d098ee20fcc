// The columns that seldom change and are dear to read: image, owner, place. They are read when a process is new, when
// a cheap sign says that something changed, and otherwise once in a few sweeps.
//
// Thread: collector.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "collect/linux/exe_file.h"
#include "collect/linux/opener.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/proc_stat.h"
#include "collect/linux/user_names.h"
#include "collect/process_source.h"
#include "daemoneye/process.pb.h"

namespace de::collect {

class SlowColumns {
 public:
  SlowColumns(const SourceOptions& options, std::uint64_t own_mounts, const Clock& clock)
      : options_(options), own_mounts_(own_mounts), names_(clock) {}

  // What a read found out besides the columns.
  struct Found {
    bool denied = false;  // The system refused at least one of them.
    bool thread = false;  // Not a process: a thread's number.
  };
  // Fills everything of `out` but the arguments. `facts`: what the opener told, when it told anything.
  Found read(const ProcDir& dir, const ProcStat& stat, const std::optional<ProcessFacts>& facts,
             pb::ProcessRecord& out);

  // The argument list (and the environment, when asked for) from the text of cmdline. `length`: what the kernel says,
  // for one that was not read to the end.
  void set_arguments(std::string_view cmdline, std::uint64_t length, pb::ProcessRecord& out) const;
  Found set_environment(Opener& opener, std::uint32_t pid, std::uint64_t start_ticks, pb::ProcessRecord& out);
  // What runs, and whether the path still leads there. `link`: the text of /proc/PID/exe; `mounts`: the process's.
  void set_image(const FileFacts& image, std::string_view link, std::uint64_t mounts, const LookUp& look_up,
                 pb::ProcessRecord& out) const;
  // Only what the file is.
  void set_facts(const FileFacts& image, pb::ProcessRecord& out) const;
  void read_place(const ProcDir& dir, Found& found, pb::ProcessRecord& out);
  void set_owner(std::uint32_t uid, pb::ProcessRecord& out);

 private:
  void set_told(const ProcessFacts& facts, Found& found, pb::ProcessRecord& out) const;
  void read_owner(const ProcDir& dir, const ProcStat& stat, Found& found, pb::ProcessRecord& out);

  const SourceOptions& options_;
  const std::uint64_t own_mounts_;  // Inode of our own mount namespace; 0 when it cannot be told.
  UserNames names_;
  std::string buffer_;
};

}  // namespace de::collect
