// How every value of the store begins and how numbers are packed in it.
//
//   value = version (1 byte) | CRC-32C of version and payload (4 bytes LE) | payload
//
// A version this agent does not know, or a CRC that does not match, is Errc::Corrupt and never skipped. The values of
// the DUPFIXED indices are bare 16-byte keys: whoever follows one checks the record it leads to.
//
// Thread: any (pure functions and values).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::store {

constexpr std::uint8_t kValueVersion = 1;
constexpr std::size_t kSealBytes = 5;

// Starts a value: room for the seal. finish_value() fills it in once the payload has been appended.
std::string begin_value();
void finish_value(std::string& value);
std::string seal(std::string_view payload);
// The payload of `value`; `what` names the kind of value in the error.
Result<std::string_view> unseal(std::string_view value, std::string_view what);

inline std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
inline std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

void put_varint(std::string& to, std::uint64_t value);
void put_bytes(std::string& to, std::string_view bytes);  // Length, then the bytes.

// A value that is one number, sealed.
std::string encode_number(std::uint64_t number);
Result<std::uint64_t> decode_number(std::string_view value, std::string_view what);

// Reads what the functions above wrote. The first failure sticks: later reads return zero and ok() stays false, so a
// decoder checks once at the end of a step. Never reads past the end.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  std::uint8_t byte();
  std::uint64_t varint() {
    // Most numbers are small; there are half a million tags and lengths in a scan.
    if (!ok_ || rest_.empty() || static_cast<std::uint8_t>(rest_[0]) >= 0x80) return long_varint();
    const auto value = static_cast<std::uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return value;
  }
  std::int64_t signed_varint() { return unzigzag(varint()); }
  std::string_view raw(std::size_t count) { return raw_of(count); }
  std::string_view bytes() { return raw_of(varint()); }
  // A count of things that take at least `each` bytes here: refuses more than can follow, before any allocation.
  std::size_t count(std::size_t each);
  std::size_t left() const { return rest_.size(); }
  bool ok() const { return ok_; }
  // Everything read well and nothing is left over.
  bool finished() const { return ok_ && rest_.empty(); }
  void refuse() { ok_ = false; }

 private:
  std::uint64_t long_varint();
  std::string_view raw_of(std::uint64_t count) {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view out = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(out.size());
    return out;
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace de::store
