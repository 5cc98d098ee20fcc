// What tests plant: losing one record on purpose, so that they can see whether the books of every stage notice, and an
// attacker in a process that has confined itself. Only in builds with the CMake option DE_FAULTS; everywhere else
// nothing of it is left.
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

// Of tests/attack, which is linked into the programs only.
__attribute__((weak)) void attack(const char* process);
inline void let_attack(const char* process) {
  if (attack != nullptr) attack(process);
}

#else

constexpr bool drops(std::string_view) { return false; }
constexpr void let_attack(const char*) {}

#endif

}  // namespace de::fault
