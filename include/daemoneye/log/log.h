// One line per event on stderr, for people (console) or machines (JSON lines).
//
//   log::warn("ingest", "batch refused", {log::field("reason", error.message()), log::field("bytes", size)});
//
// The message is constant, what varies is a field. Text in fields is escaped and capped, so a process that picks its
// own name cannot forge a line or reach the terminal. Library code does not log errors it returns.
//
// Levels: Error: an operator must act. Warn: we degraded and carry on. Info: state changed (few per hour). Debug: rest.
//
// Thread: any.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"

namespace de::log {

enum class Level : std::uint8_t { Debug, Info, Warn, Error };

// "debug", "info", "warn", "error". Errors: Invalid, with a suggestion.
Result<Level> parse_level(std::string_view word);

struct Options {
  Level level = Level::Info;
  bool json = false;
};

// Until then: Info and above, console form. May be called again: what is logged from then on is as it says.
void init(Options options);
bool is_enabled(Level level);

inline constexpr std::size_t kMaxTextBytes = 256;  // Longer text is cut and ends in "...".

// One value of a line, already rendered. Made by field().
class Field {
 public:
  enum class Kind : std::uint8_t { Text, Number, Literal };
  Field(std::string_view key, Kind kind, std::string value) : key_(key), value_(std::move(value)), kind_(kind) {}

  std::string_view key() const { return key_; }
  const std::string& value() const { return value_; }
  Kind kind() const { return kind_; }

 private:
  std::string_view key_;  // A literal.
  std::string value_;
  Kind kind_;
};

Field field(std::string_view key, std::string_view text);
Field field(std::string_view key, double number);
template <std::integral Number>
Field field(std::string_view key, Number number) {
  if constexpr (std::same_as<Number, bool>) return Field(key, Field::Kind::Literal, number ? "true" : "false");
  return Field(key, Field::Kind::Number, std::to_string(number));
}

using Fields = std::initializer_list<Field>;

void write(Level level, std::string_view stage, std::string_view message, Fields fields = {});
inline void debug(std::string_view stage, std::string_view message, Fields fields = {}) {
  write(Level::Debug, stage, message, fields);
}
inline void info(std::string_view stage, std::string_view message, Fields fields = {}) {
  write(Level::Info, stage, message, fields);
}
inline void warn(std::string_view stage, std::string_view message, Fields fields = {}) {
  write(Level::Warn, stage, message, fields);
}
inline void error(std::string_view stage, std::string_view message, Fields fields = {}) {
  write(Level::Error, stage, message, fields);
}

// For what can repeat per event: passes one line per interval and says on it how many were held back before.
//
// Thread: one owner.
class Limited {
 public:
  Limited(const Clock& clock, std::int64_t interval_ms) : clock_(clock), interval_ns_(interval_ms * 1'000'000) {}

  void write(Level level, std::string_view stage, std::string_view message, Fields fields = {});
  std::uint64_t held_back() const { return held_back_; }  // Since the last line that passed.

 private:
  const Clock& clock_;
  std::int64_t interval_ns_;
  std::int64_t next_ns_ = 0;
  std::uint64_t held_back_ = 0;
};

}  // namespace de::log
