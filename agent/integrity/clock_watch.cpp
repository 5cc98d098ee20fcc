#include "integrity/clock_watch.h"

#include <cstdlib>
#include <utility>

namespace de::integrity {
namespace {

constexpr std::int64_t kLongestLookNs = 100'000'000;  // Between the two clocks we stood still: it says nothing.

}  // namespace

std::optional<std::int64_t> ClockWatch::ahead_of_steady_ms() const {
  const std::int64_t before_ns = clock_.steady_ns();
  const std::int64_t wall_ms = clock_.unix_ms();
  if (clock_.steady_ns() - before_ns > kLongestLookNs) return std::nullopt;
  return wall_ms - before_ns / 1'000'000;
}

ClockWatch::ClockWatch(const Clock& clock) : clock_(clock), ahead_ms_(ahead_of_steady_ms()) {}

std::optional<ClockJump> ClockWatch::look() {
  const auto ahead_ms = ahead_of_steady_ms();
  if (!ahead_ms) return std::nullopt;
  const std::int64_t by_ms = *ahead_ms - std::exchange(ahead_ms_, ahead_ms).value_or(*ahead_ms);
  if (std::abs(by_ms) < kJumpMs) return std::nullopt;
  const std::int64_t now_ms = clock_.unix_ms();
  return ClockJump{now_ms - by_ms, now_ms};
}

}  // namespace de::integrity
