// A clock that only the test moves.
#pragma once

#include "daemoneye/base/clock.h"

namespace de::bus {

class StillClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = 5'000'000;
};

}  // namespace de::bus
