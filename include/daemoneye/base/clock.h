// Time as an interface, so that tests move it instead of sleeping.
//
// Thread: any (implementations are immutable or synchronise themselves).
#pragma once

#include <cstdint>

namespace de {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t unix_ms() const = 0;    // Milliseconds since 1970-01-01 UTC; may jump.
  virtual std::int64_t steady_ns() const = 0;  // Nanoseconds since boot; never jumps back.
};

// The real clock, alive for the whole program.
const Clock& system_clock();

// "2026-01-02T03:04:05.678Z". Values outside years 1970..9999 are printed as plain milliseconds.
struct Iso8601 {
  char text[32];
};
Iso8601 to_iso8601(std::int64_t unix_ms);

}  // namespace de
