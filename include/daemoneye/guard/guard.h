// Gives up everything a process of ours does not need, for good, and proves it by asking the kernel afterwards.
//
// Against whom: whoever finds a hole in it later. What is left is a user without a shell and, for the opener alone, the
// two capabilities that reading other users' /proc entries and executables takes.
//
// Thread: main, before any other thread exists: capabilities belong to a thread, not to the process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::guard {

constexpr unsigned kCapDacReadSearch = 2;  // Read any file: executables to hash, other users' /proc entries.
constexpr unsigned kCapSysPtrace = 19;     // /proc/PID/exe, cwd, environ and maps of other users' processes.
constexpr std::uint64_t kOpenerCaps = (1ULL << kCapDacReadSearch) | (1ULL << kCapSysPtrace);

struct GuardOptions {
  std::uint32_t uid = 0;  // Who to become when started as root. 0 is refused.
  std::uint32_t gid = 0;
  std::uint64_t keep_caps = 0;  // Bit n is capability n. What the process lacks is not kept, but noted.
};

// What the process holds after the drop, as the kernel says, not as we asked for.
struct Held {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t groups = 0;  // Supplementary ones.
  std::uint64_t caps_effective = 0;
  std::uint64_t caps_permitted = 0;
  std::uint64_t caps_inheritable = 0;
  std::uint64_t caps_bounding = 0;
  bool no_new_privs = false;
  bool dumpable = true;
  bool was_root = false;
  int landlock_abi = 0;            // 0: which files are reached is not restricted.
  bool syscall_filter = false;     // Which system calls are made is restricted.
  std::vector<std::string> notes;  // Everything that is weaker than asked for, one sentence each.

  std::string to_json() const;
};

// Started as root: no supplementary groups, the given uid and gid, only keep_caps, an empty bounding set, nothing
// regained by exec, no core dumps, no ptrace by its own user. Started as somebody else: the uid stays, the rest happens
// as far as it is allowed. Open what needs root before. Errors: Invalid (uid or gid 0, a capability that does not
// exist), Conflict (other threads already run), Denied (the kernel refused a step), Corrupt (the kernel reports
// something else than was asked for, or root can be regained). After an error the process is in between and must exit.
Result<Held> drop(const GuardOptions& options);

// "CAP_SYS_PTRACE"; "CAP_63" for a number without a name.
std::string capability_name(unsigned number);
// "CAP_DAC_READ_SEARCH,CAP_SYS_PTRACE"; "none" for 0.
std::string capabilities_to_text(std::uint64_t mask);

}  // namespace de::guard
