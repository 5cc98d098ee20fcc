// SipHash-2-4: a keyed 64-bit hash. What store and mirror take for unchanged rests on it, and the content is chosen by
// the processes we watch: with an unkeyed hash one of them could craft a change that nobody would see.
//
// Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace de::crypto {

class SipHash {
 public:
  SipHash();  // With a key from the kernel's random source.
  SipHash(std::uint64_t k0, std::uint64_t k1) : key_{k0, k1} {}
  std::uint64_t operator()(std::string_view bytes) const;

 private:
  std::array<std::uint64_t, 2> key_;
};

}  // namespace de::crypto
