#include "store/keys.h"

#include <chrono>
#include <cstdio>

#include "daemoneye/base/byte_order.h"

namespace de::store {
namespace {

// A fixed number of decimal digits, or -1.
int digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

TimeKeyBytes to_bytes(const TimeKey& key) {
  TimeKeyBytes out;
  store_be(out.data(), key.ms);
  store_be(out.data() + 8, key.seq);
  return out;
}

std::optional<TimeKey> parse_time_key(std::string_view bytes) {
  if (bytes.size() != kTimeKeyBytes) return std::nullopt;
  return TimeKey{load_be<std::uint64_t>(bytes.data()), load_be<std::uint64_t>(bytes.data() + 8)};
}

std::array<char, 8> be64(std::uint64_t value) {
  std::array<char, 8> out;
  store_be(out.data(), value);
  return out;
}

std::string day_name(std::int64_t unix_ms) {
  using namespace std::chrono;
  const year_month_day day(sys_days(floor<days>(milliseconds(unix_ms))));
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                static_cast<unsigned>(day.day()));
  return text;
}

std::optional<std::int64_t> parse_day_name(std::string_view name) {
  using namespace std::chrono;
  if (name.size() != 10 || name[4] != '-' || name[7] != '-') return std::nullopt;
  const int y = digits(name.substr(0, 4)), m = digits(name.substr(5, 2)), d = digits(name.substr(8, 2));
  if (y < 1970 || m < 0 || d < 0) return std::nullopt;
  const year_month_day day(year(y), month(static_cast<unsigned>(m)), std::chrono::day(static_cast<unsigned>(d)));
  if (!day.ok()) return std::nullopt;
  return duration_cast<milliseconds>(sys_days(day).time_since_epoch()).count();
}

}  // namespace de::store
