// Whatever procmond sends its opener: refused, or a request within its bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "collect/linux/opener_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace de::collect;
  const auto parsed = parse_request({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  if (parsed->ask == Ask::Program) {
    if (parsed->count != 0 || parsed->path.empty() || parsed->path.size() > kMaxTextBytes) std::abort();
  } else if (parsed->count == 0 || parsed->count > kMaxAsked || !parsed->path.empty()) {
    std::abort();
  }
  return 0;
}
