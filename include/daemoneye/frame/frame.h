// The eight bytes in front of every message on a socket: u32 payload length, u32 CRC-32C of the payload, both
// little-endian. What the payload is, the session knows.
//
// The reader's limit is checked before anybody allocates; a violation ends the session.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/frame/crc32c.h"

namespace de::frame {

inline constexpr std::size_t kHeaderBytes = 8;

struct Header {
  std::uint32_t payload_bytes;
  std::uint32_t crc;
};

// Errors: Corrupt (a length of zero), TooLarge (over `max_payload_bytes`).
Result<Header> read_header(std::span<const std::byte, kHeaderBytes> raw, std::size_t max_payload_bytes);

// `payload` holds 1..2^32-1 bytes; the caller has checked its own limit.
void write_header(std::span<std::byte, kHeaderBytes> raw, std::string_view payload);

// Errors: Corrupt (length or checksum differs).
Result<> check_payload(const Header& header, std::string_view payload);

}  // namespace de::frame
