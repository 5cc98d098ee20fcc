// What the tests of hostile peers hold the daemons to: about ten times of what docs/threats.md promises.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "health_report.h"
#include "hostile_stage.h"

namespace de::system_test {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kKeepsFreedMemory = true;
#elif defined(__has_feature)
inline constexpr bool kKeepsFreedMemory = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kKeepsFreedMemory = false;
#endif

// Ten times of 5 MB. What sanitizers keep of freed memory on purpose comes on top.
inline constexpr std::uint64_t kMostGrowthKb = (kKeepsFreedMemory ? 400U : 50U) << 10;

// Ten times of double, where a single wait may be as long as somebody else had the processor.
inline double longest_wait_ms(const Waits& undisturbed) { return 20 * undisturbed.at(0.99) + 500; }

inline std::chrono::milliseconds act_length() {
  const char* chosen = std::getenv("DE_HOSTILE_MS");
  return std::chrono::milliseconds(chosen != nullptr ? std::atoi(chosen) : 700);
}

inline void print(const Round& round) {
  std::printf(
      "  %-46s %9.0f/s on %6.0f/s connections  good p50 %6.1f p99 %7.1f ms, %zu of %zu failed  %+7.1f MB  %3.0f%% "
      "CPU\n",
      round.act.c_str(), round.offered_per_s, round.connections_per_s, round.good.at(0.5), round.good.at(0.99),
      round.good.failures, round.good.failures + round.good.ms.size(), static_cast<double>(round.growth_kb) / 1024,
      round.cpu_share * 100);
  std::fflush(stdout);
}

}  // namespace de::system_test
