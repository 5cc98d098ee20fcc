#include "console/moment.h"

#include <charconv>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "daemoneye/base/text.h"

namespace de::console {
namespace {

using namespace std::chrono;

constexpr std::size_t kLeastMillisecondDigits = 11;  // Fewer are seconds that somebody took for milliseconds.

// Takes the number off the front of `text`, digits only.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

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

std::optional<std::int64_t> calendar_ms(std::string_view text) {
  const auto y = take_field(text, 4, 9999);
  if (!y || !take(text, '-')) return std::nullopt;
  const auto m = take_field(text, 2, 12);
  if (!m || !take(text, '-')) return std::nullopt;
  const auto d = take_field(text, 2, 31);
  if (!d) return std::nullopt;
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*m)}, day{static_cast<unsigned>(*d)}};
  if (!date.ok()) return std::nullopt;
  std::int64_t ms = duration_cast<milliseconds>(sys_days{date}.time_since_epoch()).count();
  if (text.empty()) return ms;
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  const auto of_day = take_time_of_day_ms(text);
  if (!of_day) return std::nullopt;
  (void)take(text, 'Z');
  if (!text.empty()) return std::nullopt;
  return ms + *of_day;
}

std::optional<std::int64_t> counted_ms(std::string_view text, std::int64_t now_ms) {
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  const std::size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0 || text.empty()) return std::nullopt;
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  if (text.empty())
    return digits == std::string_view::npos && std::to_string(*number).size() >= kLeastMillisecondDigits ? number
                                                                                                         : std::nullopt;
  for (const auto& [unit, ms] : kUnits)
    if (text == unit && *number <= now_ms / ms) return now_ms - *number * ms;
  return std::nullopt;
}

}  // namespace

Result<std::int64_t> parse_moment(std::string_view text, std::int64_t now_ms) {
  if (const auto ms = calendar_ms(text)) return *ms;
  if (const auto ms = counted_ms(text, now_ms)) return *ms;
  return fail(Errc::Invalid, "\"" + escape_controls(text) +
                                 "\" is not a time: write 2026-11-23T05:00:00Z (UTC), 90s, 10m, 2h or 3d for so long "
                                 "ago, or milliseconds since 1970");
}

}  // namespace de::console
