#include "daemoneye/frame/frame.h"

#include <string>

#include "daemoneye/base/byte_order.h"

namespace de::frame {

Result<Header> read_header(std::span<const std::byte, kHeaderBytes> raw, std::size_t max_payload_bytes) {
  const Header header{load_le<std::uint32_t>(raw.data()), load_le<std::uint32_t>(raw.data() + 4)};
  if (header.payload_bytes == 0) return fail(Errc::Corrupt, "frame: empty payload");
  if (header.payload_bytes > max_payload_bytes)
    return fail(Errc::TooLarge, "frame: payload of " + std::to_string(header.payload_bytes) + " bytes, the limit is " +
                                    std::to_string(max_payload_bytes));
  return header;
}

void write_header(std::span<std::byte, kHeaderBytes> raw, std::string_view payload) {
  store_le(raw.data(), static_cast<std::uint32_t>(payload.size()));
  store_le(raw.data() + 4, crc32c(payload));
}

Result<> check_payload(const Header& header, std::string_view payload) {
  if (payload.size() != header.payload_bytes) return fail(Errc::Corrupt, "frame: payload length differs from header");
  if (crc32c(payload) != header.crc) return fail(Errc::Corrupt, "frame: checksum of the payload differs");
  return {};
}

}  // namespace de::frame
