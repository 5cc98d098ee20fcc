// What the iterator's numbers mean: as /proc/PID/stat prints them, and as a record has them.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>

#include "collect/linux/bpf/process_layout.h"
#include "collect/linux/exe_file.h"
#include "daemoneye/process.pb.h"

namespace de::collect {

char state_letter(const de_process& from);

struct CpuTimes {
  std::uint64_t user_ms = 0;
  std::uint64_t system_ms = 0;
};
CpuTimes cpu_times(const de_process& from);

// The executable, without its birth time.
FileFacts facts_in(const de_steady& steady);
void set_namespaces(const de_steady& steady, pb::ProcessRecord& out);

}  // namespace de::collect
