// A frame that is accepted encodes to the bytes it came from; the two checksums agree on anything.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "daemoneye/frame/frame.h"

namespace {
constexpr std::size_t kLimit = 4096;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace frame = de::frame;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (frame::crc32c(input) != frame::crc32c_portable(input)) __builtin_trap();
  if (size < frame::kHeaderBytes) return 0;

  std::array<std::byte, frame::kHeaderBytes> raw;
  std::memcpy(raw.data(), data, raw.size());
  const auto header = frame::read_header(raw, kLimit);
  if (!header) return 0;
  if (header->payload_bytes == 0 || header->payload_bytes > kLimit) __builtin_trap();

  const std::string_view rest = input.substr(frame::kHeaderBytes);
  const std::string_view payload = rest.substr(0, std::min<std::size_t>(rest.size(), header->payload_bytes));
  std::array<std::byte, frame::kHeaderBytes> again;
  if (frame::check_payload(*header, payload)) {
    frame::write_header(again, payload);
    if (again != raw) __builtin_trap();
  } else if (!payload.empty()) {
    // Whatever the bytes were, a header written for them is read back and accepts them.
    frame::write_header(again, payload);
    const auto own = frame::read_header(again, kLimit);
    if (!own || !frame::check_payload(*own, payload)) __builtin_trap();
  }
  return 0;
}
