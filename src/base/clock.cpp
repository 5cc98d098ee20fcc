#include "daemoneye/base/clock.h"

#include <charconv>
#include <chrono>
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

// Exactly `digits` of them, at most `most`.
std::optional<int> take_field(std::string_view& text, std::size_t digits, int most) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + digits, value);
  if (ec != std::errc{} || end != text.data() + digits || value < 0 || value > most) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> take_time_of_day_ms(std::string_view& text) {
  const auto hour = take_field(text, 2, 23);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_field(text, 2, 59);
  if (!minute) return std::nullopt;
  std::int64_t ms = (*hour * 60LL + *minute) * 60'000;
  if (!take(text, ':')) return ms;
  const auto second = take_field(text, 2, 60);
  if (!second) return std::nullopt;
  ms += *second * 1'000LL;
  if (!take(text, '.')) return ms;
  std::int64_t worth = 100;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), worth /= 10)
    ms += (text.front() - '0') * worth;
  return ms;
}

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

std::optional<std::int64_t> parse_iso8601(std::string_view text) {
  const auto y = take_field(text, 4, 9999);
  if (!y || !take(text, '-')) return std::nullopt;
  const auto m = take_field(text, 2, 12);
  if (!m || !take(text, '-')) return std::nullopt;
  const auto d = take_field(text, 2, 31);
  if (!d) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*y}, std::chrono::month{static_cast<unsigned>(*m)},
                                         std::chrono::day{static_cast<unsigned>(*d)}};
  if (!date.ok()) return std::nullopt;
  std::int64_t ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::sys_days{date}.time_since_epoch()).count();
  if (text.empty()) return ms;
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  const auto of_day = take_time_of_day_ms(text);
  if (!of_day) return std::nullopt;
  (void)take(text, 'Z');
  if (!text.empty()) return std::nullopt;
  return ms + *of_day;
}

}  // namespace de
