// Configuration files and variables: the first byte picks what the rest is. Whatever loads must print and load again.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "daemoneye/config/config.h"

namespace {

std::string memory_file(int fd, std::string_view text) {
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, text.data(), text.size(), 0) < 0) __builtin_trap();
  return "/proc/self/fd/" + std::to_string(fd);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace de::config;
  static const int kFile = ::memfd_create("config", MFD_CLOEXEC);
  if (kFile < 0 || size < 1 || ::fchmod(kFile, 0600) != 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  LoadInput input;
  const char* env[] = {text.c_str(), nullptr};
  if (data[0] % 4 == 0) {
    input.env = env;
  } else if (data[0] % 4 == 1) {
    input.flags = {{"sinks", text}};
  } else {
    input.explicit_file = memory_file(kFile, text);
  }
  (void)load_procmond(input);  // Only that it returns.
  (void)load_cli(input);
  const auto first = load_agent(input);
  if (!first) return 0;
  const std::string printed = print_config(first->settings, true);
  LoadInput again;
  again.explicit_file = memory_file(kFile, printed);
  const auto second = load_agent(again);
  if (!second || print_config(second->settings, false) != print_config(first->settings, false)) __builtin_trap();
  return 0;
}
