#include "daemoneye/log/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <atomic>
#include <memory>

#include "daemoneye/base/text.h"

namespace de::log {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warn", "error"};

std::string_view level_name(Level level) { return kLevelNames[static_cast<std::size_t>(level)]; }

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warn:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// stderr is one per process, and so is this. spdlog's own registry is not used.
struct Output {
  Output() : logger("daemoneye", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger.set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
    logger.set_level(spdlog::level::info);
  }

  spdlog::logger logger;
  std::atomic<bool> json = false;
};

Output& output() {
  static Output instance;
  return instance;
}

// At most kMaxTextBytes, cut between characters so that the cut itself does not look like damage.
std::string capped(std::string_view text) {
  if (text.size() <= kMaxTextBytes) return std::string(text);
  std::size_t end = kMaxTextBytes;
  while (end > kMaxTextBytes - 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

void append_json_member(std::string& out, std::string_view key, std::string_view text) {
  append_json_string(out, key);
  out += ':';
  append_json_string(out, text);
}

std::string json_line(Level level, std::string_view stage, std::string_view message, Fields fields) {
  std::string out = "{";
  append_json_member(out, "time", to_iso8601(system_clock().unix_ms()).text);
  out += ',';
  append_json_member(out, "level", level_name(level));
  out += ',';
  append_json_member(out, "stage", stage);
  out += ',';
  append_json_member(out, "message", capped(message));
  for (const Field& item : fields) {
    out += ',';
    if (item.kind() == Field::Kind::Text) {
      append_json_member(out, item.key(), item.value());
      continue;
    }
    append_json_string(out, item.key());
    out += ':';
    out += item.value();
  }
  out += '}';
  return out;
}

// Text values always stand in quotes, and quotes and backslashes inside are escaped: a name such as `a" pid=1` stays
// one value.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  std::string marked;
  for (const char c : text) {
    if (c == '"' || c == '\\') marked += '\\';
    marked += c;
  }
  out += escape_controls(marked);
  out += '"';
}

std::string console_line(Level level, std::string_view stage, std::string_view message, Fields fields) {
  std::string out = to_iso8601(system_clock().unix_ms()).text;
  out += ' ';
  out += level_name(level);
  out.append(6 - level_name(level).size(), ' ');  // Names have four or five letters.
  out += stage;
  out += ": ";
  out += escape_controls(capped(message));
  for (const Field& item : fields) {
    out += ' ';
    out += item.key();
    out += '=';
    if (item.kind() == Field::Kind::Text)
      append_quoted(out, item.value());
    else
      out += item.value();
  }
  return out;
}

}  // namespace

Result<Level> parse_level(std::string_view word) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i)
    if (kLevelNames[i] == word) return static_cast<Level>(i);
  return fail(Errc::Invalid, "unknown log level \"" + escape_controls(capped(word)) +
                                 "\", known are debug, info, warn, error" + suggestion(word, kLevelNames));
}

void init(Options options) {
  output().json = options.json;
  output().logger.set_level(to_spdlog(options.level));
}

bool is_enabled(Level level) { return output().logger.should_log(to_spdlog(level)); }

Field field(std::string_view key, std::string_view text) { return Field(key, Field::Kind::Text, capped(text)); }

Field field(std::string_view key, double number) {
  std::string text;
  append_json_number(text, number);
  return Field(key, Field::Kind::Number, std::move(text));
}

void write(Level level, std::string_view stage, std::string_view message, Fields fields) {
  Output& out = output();
  if (!out.logger.should_log(to_spdlog(level))) return;
  const std::string line =
      out.json ? json_line(level, stage, message, fields) : console_line(level, stage, message, fields);
  // As a string_view, so that braces in the line are not taken for a format.
  out.logger.log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

void Limited::write(Level level, std::string_view stage, std::string_view message, Fields fields) {
  const std::int64_t now_ns = clock_.steady_ns();
  if (now_ns < next_ns_) {
    ++held_back_;
    return;
  }
  next_ns_ = now_ns + interval_ns_;
  if (held_back_ == 0) {
    log::write(level, stage, message, fields);
    return;
  }
  // The count goes into the message because the fields are a fixed list of the caller's.
  const std::string counted = std::string(message) + " (" + std::to_string(held_back_) + " more since the last line)";
  held_back_ = 0;
  log::write(level, stage, counted, fields);
}

}  // namespace de::log
