// Losing one record on purpose, so that tests can see whether the books of every stage notice. Only in builds with the
// CMake option DE_FAULTS; everywhere else `drops` is constant and leaves nothing behind.
//
// Thread: any.
#pragma once

#include <string_view>

#ifdef DE_FAULTS
#include <atomic>
#include <cstdlib>
#include <string>
#endif

namespace de::fault {

#ifdef DE_FAULTS

// True once: with DE_FAULT=STAGE:N in the environment, for the record after the first N that pass this stage.
inline bool drops(std::string_view stage) {
  static const std::string wanted = [] {
    const char* set = std::getenv("DE_FAULT");
    return std::string(set == nullptr ? "" : set);
  }();
  if (wanted.size() <= stage.size() || !wanted.starts_with(stage) || wanted[stage.size()] != ':') return false;
  static const long skip = std::atol(wanted.c_str() + stage.size() + 1);
  static std::atomic<long> passed = 0;
  return passed++ == skip;
}

#else

constexpr bool drops(std::string_view) { return false; }

#endif

}  // namespace de::fault
