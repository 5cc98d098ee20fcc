// A clock that goes where the test sets it.
#pragma once

#include <chrono>
#include <cstdint>

#include "daemoneye/base/clock.h"

namespace de::supervise {

class FakeClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ns / 1'000'000; }
  std::int64_t steady_ns() const override { return now_ns; }
  void advance(std::chrono::milliseconds time) { now_ns += std::chrono::nanoseconds(time).count(); }
  std::int64_t now_ns = 1'000'000'000;
};

}  // namespace de::supervise
