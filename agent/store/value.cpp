#include "store/value.h"

#include "daemoneye/base/byte_order.h"
#include "daemoneye/frame/crc32c.h"

namespace de::store {
namespace {

constexpr std::uint32_t kVersionSeed = kValueVersion;  // Seeds the CRC, so that the version byte is covered too.

}  // namespace

std::string begin_value() {
  std::string value(kSealBytes, '\0');
  value[0] = static_cast<char>(kValueVersion);
  return value;
}

void finish_value(std::string& value) {
  const std::string_view payload = std::string_view(value).substr(kSealBytes);
  store_le(value.data() + 1, frame::crc32c(payload, kVersionSeed));
}

std::string seal(std::string_view payload) {
  std::string value = begin_value();
  value.append(payload);
  finish_value(value);
  return value;
}

Result<std::string_view> unseal(std::string_view value, std::string_view what) {
  if (value.size() < kSealBytes) return fail(Errc::Corrupt, std::string(what) + ": value is cut off");
  const auto version = static_cast<std::uint8_t>(value[0]);
  if (version != kValueVersion)
    return fail(Errc::Corrupt, std::string(what) + ": value has version " + std::to_string(version) +
                                   ", this agent knows " + std::to_string(kValueVersion));
  const std::string_view payload = value.substr(kSealBytes);
  if (load_le<std::uint32_t>(value.data() + 1) != frame::crc32c(payload, kVersionSeed))
    return fail(Errc::Corrupt, std::string(what) + ": checksum does not match");
  return payload;
}

void put_varint(std::string& to, std::uint64_t value) {
  while (value >= 0x80) {
    to.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  to.push_back(static_cast<char>(value));
}

void put_bytes(std::string& to, std::string_view bytes) {
  put_varint(to, bytes.size());
  to.append(bytes);
}

std::uint8_t Reader::byte() {
  const std::string_view one = raw(1);
  return one.empty() ? 0 : static_cast<std::uint8_t>(one[0]);
}

std::uint64_t Reader::long_varint() {
  std::uint64_t value = 0;
  std::size_t used = 0;
  for (unsigned shift = 0; ok_ && used < rest_.size() && shift < 64; shift += 7) {
    const std::uint64_t next = static_cast<unsigned char>(rest_[used++]);
    if (shift == 63 && next > 1) break;  // Would not fit into 64 bits.
    value |= (next & 0x7F) << shift;
    if (next >= 0x80) continue;
    rest_.remove_prefix(used);
    return value;
  }
  ok_ = false;
  return 0;
}

std::size_t Reader::count(std::size_t each) {
  const std::uint64_t value = varint();
  if (each == 0 || value > rest_.size() / each) ok_ = false;
  return ok_ ? static_cast<std::size_t>(value) : 0;
}

std::string encode_number(std::uint64_t number) {
  std::string value = begin_value();
  put_varint(value, number);
  finish_value(value);
  return value;
}

Result<std::uint64_t> decode_number(std::string_view value, std::string_view what) {
  DE_TRY(payload, unseal(value, what));
  Reader reader(payload);
  const std::uint64_t number = reader.varint();
  if (!reader.finished()) return fail(Errc::Corrupt, std::string(what) + ": malformed");
  return number;
}

}  // namespace de::store
