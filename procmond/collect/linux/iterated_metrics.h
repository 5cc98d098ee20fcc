// What the iterator's numbers mean, as /proc/PID/stat prints them.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>

#include "collect/linux/bpf/process_layout.h"

namespace de::collect {

char state_letter(const de_process& from);

struct CpuTimes {
  std::uint64_t user_ms = 0;
  std::uint64_t system_ms = 0;
};
CpuTimes cpu_times(const de_process& from);

}  // namespace de::collect
