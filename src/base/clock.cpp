#include "daemoneye/base/clock.h"

#include <cstdio>
#include <ctime>

namespace de {
namespace {

std::int64_t read_ns(clockid_t id) {
  timespec now{};
  ::clock_gettime(id, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return read_ns(CLOCK_REALTIME) / 1'000'000; }
  std::int64_t steady_ns() const override { return read_ns(CLOCK_BOOTTIME); }
};

constexpr std::int64_t kYear10000Ms = 253'402'300'800'000;

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

Iso8601 to_iso8601(std::int64_t unix_ms) {
  Iso8601 out{};
  if (unix_ms < 0 || unix_ms >= kYear10000Ms) {
    std::snprintf(out.text, sizeof out.text, "%lld", static_cast<long long>(unix_ms));
    return out;
  }
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  const std::size_t used = std::strftime(out.text, sizeof out.text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(out.text + used, sizeof out.text - used, ".%03dZ", static_cast<int>(unix_ms % 1000));
  return out;
}

}  // namespace de
