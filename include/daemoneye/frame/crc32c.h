// CRC-32C (Castagnoli): the checksum of frames, spool records and stored values.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string_view>

namespace de::frame {

// Checksum of `bytes`; `seed` is the checksum of what came before, so that crc32c(b, crc32c(a)) == crc32c(a + b).
// Uses the processor's CRC instruction where it exists.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

// The same by table, eight bytes a step: for other processors, and to test the instruction against.
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace de::frame
