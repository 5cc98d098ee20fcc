// Keys and day names. Time keys are big-endian, so that LMDB's byte order is time order.
//
// Thread: any (pure functions).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace de::store {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::size_t kTimeKeyBytes = 16;
constexpr std::size_t kUidBytes = 16;  // Of a process_uid.

// When, and a number that is unique within the day.
struct TimeKey {
  std::uint64_t ms = 0;
  std::uint64_t seq = 0;
  auto operator<=>(const TimeKey&) const = default;
};

using TimeKeyBytes = std::array<char, kTimeKeyBytes>;
TimeKeyBytes to_bytes(const TimeKey& key);
// Nothing unless `bytes` is exactly one key.
std::optional<TimeKey> parse_time_key(std::string_view bytes);

inline std::string_view view(const TimeKeyBytes& bytes) { return {bytes.data(), bytes.size()}; }

std::array<char, 8> be64(std::uint64_t value);
inline std::string_view view(const std::array<char, 8>& bytes) { return {bytes.data(), bytes.size()}; }

// "2026-01-02" for a time within that UTC day. Times are within 0..9999-12-31.
std::string day_name(std::int64_t unix_ms);
// The first millisecond of the day, or nothing when `name` is not exactly a date.
std::optional<std::int64_t> parse_day_name(std::string_view name);

}  // namespace de::store
