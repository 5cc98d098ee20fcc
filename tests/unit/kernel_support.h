// Where a feature of the kernel is there and we may use it, a test of it that is skipped is a failure.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

namespace de::test {

// Types of the kernel, the two capabilities, and the host's own pid namespace.
inline bool bpf_must_work() {
  constexpr std::uint64_t kPerfmonAndBpf = 1ULL << 38 | 1ULL << 39;
  struct stat space {};
  if (::stat("/proc/self/ns/pid", &space) != 0 || space.st_ino != 0xeffffffc) return false;
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) return false;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("CapEff:"))
      return (std::strtoull(line.c_str() + 7, nullptr, 16) & kPerfmonAndBpf) == kPerfmonAndBpf;
  return false;
}

}  // namespace de::test
