// Records of the kernel's ring buffer: written by our own program there, but lengths and texts are what processes made
// them. Each record of the input is preceded by its length.
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "collect/linux/bpf_record.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace de::collect;
  CaptureOptions options;
  options.max_argv_bytes = 4096;
  options.environment = true;
  BpfRecords records(options, de::system_clock());
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::uint16_t length = 0;
  while (rest.size() > sizeof length) {
    std::memcpy(&length, rest.data(), sizeof length);
    rest.remove_prefix(sizeof length);
    const std::string_view bytes = rest.substr(0, length);
    rest.remove_prefix(bytes.size());
    const auto event = records.read(bytes);
    if (!event || !*event) continue;
    const KernelEvent& seen = **event;
    if (seen.seen == nullptr) std::abort();
    const bool ended = seen.exit_code.has_value() || seen.exit_signal.has_value();
    if (ended != (seen.kind == KernelEventKind::Exit)) std::abort();
    if (seen.kind == KernelEventKind::Exec && !seen.seen->has_executable_path()) std::abort();
    // Masking may make a text longer, but an argument more cannot come of it.
    if (static_cast<std::size_t>(seen.seen->command_line_size()) > options.max_argv_bytes + 1) std::abort();
    if (seen.seen->ByteSizeLong() > (64UL << 10)) std::abort();
  }
  return 0;
}
