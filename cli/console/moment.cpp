#include "console/moment.h"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"

namespace de::console {
namespace {

constexpr std::size_t kLeastMillisecondDigits = 11;  // Fewer are seconds that somebody took for milliseconds.

// Takes the number off the front of `text`, digits only.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
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
  if (const auto ms = parse_iso8601(text)) return *ms;
  if (const auto ms = counted_ms(text, now_ms)) return *ms;
  return fail(Errc::Invalid, "\"" + escape_controls(text) +
                                 "\" is not a time: write 2026-11-23T05:00:00Z (UTC), 90s, 10m, 2h or 3d for so long "
                                 "ago, or milliseconds since 1970");
}

}  // namespace de::console
