#include "store/mapping.h"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace de::store {

Mapping mapping_around(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%zx-%zx", &begin, &end) != 2) return {};
    if (wanted >= begin && wanted < end)
      return {static_cast<char*>(const_cast<void*>(address)) - (wanted - begin), end - begin};
  }
  return {};
}

}  // namespace de::store
