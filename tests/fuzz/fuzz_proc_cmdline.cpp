// /proc/PID/cmdline, and the masking of what it says: every byte of it is the process's own choice.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "collect/linux/proc_cmdline.h"
#include "collect/redact.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string_view> argv = de::collect::split_arguments(text, 100);
  if (argv.size() > 100) __builtin_trap();
  std::size_t total = 0;
  for (const std::string_view argument : argv) total += argument.size() + 1;
  if (total > size + 1) __builtin_trap();
  const std::vector<std::string> masked = de::collect::mask_arguments(argv);
  if (masked.size() != argv.size()) __builtin_trap();
  // Never longer than if every byte had become a mask.
  for (std::size_t i = 0; i < argv.size(); ++i)
    if (masked[i].size() > (argv[i].size() + 1) * de::collect::kRedacted.size()) __builtin_trap();
  (void)de::collect::mask_environment(text);
  return 0;
}
