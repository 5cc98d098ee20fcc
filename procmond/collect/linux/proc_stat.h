// /proc/PID/stat.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::collect {

struct ProcStat {
  std::string_view comm;  // Borrowed from the text; any bytes, the process chose them.
  std::uint32_t pid = 0;
  char state = '?';
  std::uint32_t ppid = 0;
  std::uint32_t pgid = 0;
  std::uint32_t session = 0;
  std::int32_t tty_nr = 0;
  std::uint32_t flags = 0;
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  std::int32_t nice = 0;
  std::uint32_t threads = 0;
  std::uint64_t start_ticks = 0;
  std::uint64_t virtual_bytes = 0;
  std::int64_t rss_pages = 0;
  // Where exec put the program; 0 or 1 when the kernel does not let us see it. A new exec gives other numbers
  // wherever addresses are randomised.
  std::uint64_t start_code = 0;
  std::uint64_t start_stack = 0;
  std::uint64_t argument_bytes = 0;  // 0 when not visible.

  bool is_kernel_thread() const { return (flags & 0x00200000U) != 0; }  // PF_KTHREAD
};

// Errors: Corrupt (never seen from a kernel).
Result<ProcStat> parse_proc_stat(std::string_view text);

// "pts/3", "tty1", "ttyS0", "console", or "major:minor"; empty when there is no terminal.
std::string tty_name(std::int32_t tty_nr);

}  // namespace de::collect
