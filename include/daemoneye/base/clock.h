// Time as an interface, so that tests move it instead of sleeping.
//
// Thread: any (implementations are immutable or synchronise themselves).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

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

// Unix milliseconds of what to_iso8601() prints; also with a space for the T, without the Z, the fraction, the seconds
// or all of the time of day. Always UTC; nothing when it is anything else.
std::optional<std::int64_t> parse_iso8601(std::string_view text);

}  // namespace de
