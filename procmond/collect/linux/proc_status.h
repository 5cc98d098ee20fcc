// /proc/PID/status: the columns that stat does not have.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::collect {

struct ProcStatus {
  std::uint32_t uid = 0, euid = 0, suid = 0;
  std::uint32_t gid = 0, egid = 0, sgid = 0;
  std::uint32_t tgid = 0;  // Differs from the pid asked for when that is only a thread; 0 when not printed.
  // Absent when this kernel does not print the line.
  std::optional<std::uint64_t> cap_effective;
  std::optional<bool> no_new_privs;
  std::optional<std::uint32_t> seccomp;
};

// Errors: Corrupt (no Uid: or Gid: line, or a value no kernel prints).
Result<ProcStatus> parse_proc_status(std::string_view text);

// /proc/PID/io. Both lines or nothing.
struct ProcIo {
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
};
std::optional<ProcIo> parse_proc_io(std::string_view text);

}  // namespace de::collect
