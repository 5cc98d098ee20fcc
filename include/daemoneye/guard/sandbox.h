// What a process may still ask of the kernel once it runs: which files it reaches (Landlock) and which system calls it
// makes (seccomp). Both are for good, for every thread, and for whatever it would execute.
//
// Thread: main, before any other exists; restrict_syscalls() last.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "daemoneye/base/result.h"
#include "daemoneye/guard/guard.h"

namespace de::guard {

// One allowed system call. Everything that is in no rule fails with EPERM, or with ENOSYS where a library then goes
// another way.
struct SyscallRule {
  const char* name = nullptr;  // As the kernel calls it; one that this architecture lacks is left out.
  const char* why = nullptr;
  // With an argument, only when (argument & mask) == value.
  int argument = -1;
  std::uint64_t mask = ~std::uint64_t{0};
  std::uint64_t value = 0;
};

// What every program of ours needs to run at all: memory that is never executable, threads, clocks, its end.
std::span<const SyscallRule> basic_syscalls();

// Allows the rules of all `tables`. Fills in held.syscall_filter as the kernel says it; a kernel without filters is
// noted there. Errors: Invalid (a name nobody knows), Denied, Corrupt (there is no filter afterwards).
Result<> restrict_syscalls(std::span<const std::span<const SyscallRule>> tables, Held& held);

enum class Reach : std::uint8_t {
  Read,     // Files and directories below.
  Write,    // The same, and make, change, rename and remove regular files and directories.
  Sockets,  // Write, and make sockets.
};

struct ReachRule {
  std::string path;
  Reach reach = Reach::Read;
};

// Afterwards nothing but `paths` is opened, executed, made or removed, no TCP port bound, none but `ports` connected
// to, no process outside signalled or traced, and of a /proc entry nothing is read that takes the right to trace,
// whatever capabilities are held. A path that does not exist, or is out of reach already, is left out. Fills in
// held.landlock_abi; what this kernel cannot restrict is noted there. Errors: Denied, Io.
Result<> restrict_files(std::span<const ReachRule> paths, Held& held, std::span<const std::uint16_t> ports = {});

}  // namespace de::guard
