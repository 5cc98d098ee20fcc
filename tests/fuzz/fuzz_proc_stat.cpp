// /proc/PID/stat: the process picks its own name, and with it part of the text.
#include <cstddef>
#include <string_view>

#include "collect/linux/proc_stat.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto stat = de::collect::parse_proc_stat(text);
  if (!stat) return 0;
  // The name lies between the first '(' and the last ')', nothing else does.
  const char* end = stat->comm.data() + stat->comm.size();
  if (stat->comm.data() < text.data() || end >= text.data() + text.size() || *end != ')') __builtin_trap();
  if (text.substr(static_cast<std::size_t>(end - text.data()) + 1).find(')') != text.npos) __builtin_trap();
  (void)de::collect::tty_name(stat->tty_nr);
  return 0;
}
