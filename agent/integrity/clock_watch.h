// Notices that the wall clock was set. What is slewed, as time services do, is no jump.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <optional>

#include "daemoneye/base/clock.h"

namespace de::integrity {

struct ClockJump {
  std::int64_t from_ms = 0;  // What it would have been,
  std::int64_t to_ms = 0;    // and what it was.
};

class ClockWatch {
 public:
  static constexpr std::int64_t kJumpMs = 1'000;  // Since the last look; less is no jump.

  // `clock` outlives it.
  explicit ClockWatch(const Clock& clock);
  std::optional<ClockJump> look();

 private:
  std::optional<std::int64_t> ahead_of_steady_ms() const;

  const Clock& clock_;
  std::optional<std::int64_t> ahead_ms_;  // The wall clock, at the last look.
};

}  // namespace de::integrity
