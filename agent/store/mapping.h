// Where a mapped file lies in this process.
//
// Thread: any.
#pragma once

#include <cstddef>

namespace de::store {

struct Mapping {
  void* begin = nullptr;  // Not known: null.
  std::size_t bytes = 0;
};

// The one that contains `address`, which nobody unmaps meanwhile.
Mapping mapping_around(const void* address);

}  // namespace de::store
