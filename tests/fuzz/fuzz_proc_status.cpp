// /proc/PID/status and /proc/PID/io.
#include <cstddef>
#include <string_view>

#include "collect/linux/proc_status.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto status = de::collect::parse_proc_status(text);
  if (status && (text.find("Uid:") == text.npos || text.find("Gid:") == text.npos)) __builtin_trap();
  (void)de::collect::parse_proc_io(text);
  return 0;
}
