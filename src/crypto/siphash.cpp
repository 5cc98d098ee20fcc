#include "daemoneye/crypto/siphash.h"

#include <bit>
#include <random>

#include "daemoneye/base/byte_order.h"

namespace de::crypto {
namespace {

struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void absorb(std::uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

std::uint64_t random_word() {
  std::random_device source;  // getrandom/rdrand in libstdc++.
  return (static_cast<std::uint64_t>(source()) << 32) | source();
}

}  // namespace

SipHash::SipHash() : key_{random_word(), random_word()} {}

std::uint64_t SipHash::operator()(std::string_view bytes) const {
  State s{0x736f6d6570736575 ^ key_[0], 0x646f72616e646f6d ^ key_[1], 0x6c7967656e657261 ^ key_[0],
          0x7465646279746573 ^ key_[1]};
  std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) s.absorb(load_le<std::uint64_t>(bytes.data()));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    last |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  s.absorb(last);
  s.v2 ^= 0xFF;
  for (int i = 0; i < 4; ++i) s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace de::crypto
