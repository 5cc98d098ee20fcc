// What is remembered about a live process between two sweeps. Compact: there may be ten thousand.
//
// Thread: collector.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "collect/linux/exe_file.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/proc_stat.h"
#include "collect/text_pool.h"

namespace de::collect {

// The cheap signs that a process is no longer running what it ran: if all are the same, the slow columns are.
struct Signs {
  std::optional<FileFacts> image;
  // Of the code and stack addresses that exec chose; 0 when the kernel does not show them.
  std::uint64_t layout = 0;
  std::uint64_t arguments = 0;  // A hash of the raw argument list.
  Owner owner;
  std::uint32_t ppid = 0, session = 0, pgid = 0;
  std::int32_t tty_nr = 0;

  friend bool operator==(const Signs&, const Signs&) = default;
};

struct CachedProcess {
  std::uint64_t start_ticks = 0;  // With the pid: the identity.
  std::array<char, 16> uid{};
  std::array<char, 16> parent_uid{};
  bool has_parent = false;
  bool denied = false;
  std::uint32_t exec_seq = 0;
  std::uint32_t sweep = 0;  // When it was last seen.
  Signs signs;
  TextPool::Ref shared;  // Serialised ProcessRecord: the slow columns, the same for many processes.
  std::string own;       // Serialised ProcessRecord: arguments and environment.
  // For cpu_usage: CPU time at the last snapshot and when that was.
  std::uint64_t cpu_ticks = 0;
  std::int64_t cpu_at_ns = 0;
};

}  // namespace de::collect
