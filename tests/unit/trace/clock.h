// A clock that goes on when it is told to.
//
// Thread: one.
#pragma once

#include "daemoneye/base/clock.h"

namespace de::trace {

class StandingClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return 1'767'355'200'000 + steady_ns_ / 1'000'000; }
  std::int64_t steady_ns() const override { return steady_ns_; }
  void advance_ms(std::int64_t ms) { steady_ns_ += ms * 1'000'000; }

 private:
  std::int64_t steady_ns_ = 1'000'000'000;
};

}  // namespace de::trace
