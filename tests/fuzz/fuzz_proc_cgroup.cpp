// /proc/PID/cgroup: a process that may write to the control group file system names its group.
#include <cstddef>
#include <string_view>

#include "collect/linux/proc_cgroup.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto is_inside = [&](std::string_view part) {
    return part.empty() || (part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size());
  };
  const de::collect::ProcCgroup cgroup = de::collect::parse_proc_cgroup(text);
  if (!is_inside(cgroup.path) || !is_inside(cgroup.container.id)) __builtin_trap();
  if (cgroup.container.id.empty() != cgroup.container.runtime.empty()) __builtin_trap();
  if (!cgroup.path.empty() && cgroup.path.front() != '/') __builtin_trap();
  return 0;
}
