// The file of known hashes after somebody or something damaged it.
#include <cstddef>
#include <string_view>

#include "collect/hash_file.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto hashes = de::collect::decode_hashes(text, 100);
  if (!hashes) return 0;
  // What is accepted is exactly what we write.
  if (de::collect::encode_hashes(*hashes) != text) __builtin_trap();
  return 0;
}
