// SipHash-2-4: a fast 64-bit hash with a secret key. The mirror skips rows whose hash did not change, so a process
// must not be able to choose arguments that collide with what it showed before.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <string_view>

namespace de::mirror {

struct HashKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

HashKey random_hash_key();
std::uint64_t keyed_hash(const HashKey& key, std::string_view bytes);

}  // namespace de::mirror
