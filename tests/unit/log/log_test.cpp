#include "daemoneye/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace de::log {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class FakeClock : public Clock {
 public:
  std::int64_t unix_ms() const override { return 0; }
  std::int64_t steady_ns() const override { return now_ns; }
  std::int64_t now_ns = 1;
};

// Everything `action` writes to stderr.
template <class Action>
std::string captured(Options options, Action action) {
  init(options);
  testing::internal::CaptureStderr();
  action();
  std::string text = testing::internal::GetCapturedStderr();
  init(Options{});
  return text;
}

std::string without_time(const std::string& line) {
  const std::size_t space = line.find(' ');
  return space == line.npos ? line : line.substr(space + 1);
}

TEST(Log, ConsoleLineHasLevelStageMessageAndFields) {
  const std::string text = captured({}, [] {
    warn("ingest", "batch refused", {field("reason", "too large"), field("bytes", 12u), field("ok", false)});
  });
  EXPECT_EQ(without_time(text), "warn  ingest: batch refused reason=\"too large\" bytes=12 ok=false\n");
  EXPECT_THAT(text, testing::ContainsRegex("^20[0-9-]+T[0-9:.]+Z "));
}

TEST(Log, JsonLineIsOneObject) {
  const std::string text = captured({Level::Info, true}, [] {
    error("sink", "delivery failed", {field("sink", "mail"), field("attempt", 3), field("wait_s", 0.5)});
  });
  EXPECT_THAT(text, testing::StartsWith("{\"time\":\"20"));
  EXPECT_THAT(text, EndsWith(",\"level\":\"error\",\"stage\":\"sink\",\"message\":\"delivery failed\","
                             "\"sink\":\"mail\",\"attempt\":3,\"wait_s\":0.5}\n"));
}

struct LevelCase {
  const char* word;
  Level level;
  int lines;  // Of one line per level, how many pass.
};

class LogLevel : public testing::TestWithParam<LevelCase> {};

TEST_P(LogLevel, PassesItselfAndAbove) {
  const Result<Level> level = parse_level(GetParam().word);
  ASSERT_TRUE(level);
  EXPECT_EQ(*level, GetParam().level);
  const std::string text = captured({*level, false}, [] {
    debug("a", "m");
    info("a", "m");
    warn("a", "m");
    error("a", "m");
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), GetParam().lines);
}

INSTANTIATE_TEST_SUITE_P(All, LogLevel,
                         testing::Values(LevelCase{"debug", Level::Debug, 4}, LevelCase{"info", Level::Info, 3},
                                         LevelCase{"warn", Level::Warn, 2}, LevelCase{"error", Level::Error, 1}),
                         [](const auto& row) { return row.param.word; });

TEST(Log, EnabledFollowsTheLevel) {
  init({Level::Warn, false});
  EXPECT_FALSE(is_enabled(Level::Info));
  EXPECT_TRUE(is_enabled(Level::Warn));
  init(Options{});
  EXPECT_TRUE(is_enabled(Level::Info));
  EXPECT_FALSE(is_enabled(Level::Debug));
}

TEST(Log, UnknownLevelIsRefusedWithTheNearestAndTheList) {
  for (const char* word : {"", "WARN", "warm", "trace", "info "}) EXPECT_FALSE(parse_level(word)) << word;
  const Result<Level> level = parse_level("debog");
  ASSERT_FALSE(level);
  EXPECT_EQ(level.error().code(), Errc::Invalid);
  EXPECT_THAT(level.error().message(), HasSubstr("did you mean \"debug\""));
  EXPECT_THAT(parse_level("\x1b[2J").error().message(), Not(HasSubstr("\x1b")));
}

TEST(Log, HostileTextCannotForgeALineOrReachTheTerminal) {
  const auto hostile = [] { info("collect", "started", {field("name", "a\" pid=1\n2026 error x: y\x1b[2J\xff\\")}); };
  const std::string console = captured({}, hostile);
  EXPECT_EQ(without_time(console),
            "info  collect: started name=\"a\\\" pid=1\\x0a2026 error x: y\\x1b[2J\\xff\\\\\"\n");
  const std::string json = captured({Level::Info, true}, hostile);
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 1);
  EXPECT_THAT(json, Not(HasSubstr("\x1b")));
  EXPECT_THAT(json, HasSubstr("a\\\" pid=1"));
}

TEST(Log, HostileMessageIsEscapedToo) {
  const std::string text = captured({}, [] { warn("main", "one\ntwo"); });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Log, BracesAreNotAFormat) {
  const std::string text = captured({}, [] { info("a", "{} {0:x}", {field("k", "{}")}); });
  EXPECT_EQ(without_time(text), "info  a: {} {0:x} k=\"{}\"\n");
}

struct CapCase {
  const char* name;
  std::string text;
  std::string shown;
};

class LogCap : public testing::TestWithParam<CapCase> {};

TEST_P(LogCap, LongTextIsCutBetweenCharacters) { EXPECT_EQ(field("k", GetParam().text).value(), GetParam().shown); }

INSTANTIATE_TEST_SUITE_P(
    Texts, LogCap,
    testing::Values(CapCase{"Exact", std::string(256, 'a'), std::string(256, 'a')},
                    CapCase{"OneMore", std::string(257, 'a'), std::string(256, 'a') + "..."},
                    CapCase{"TwoByteCharacterOnTheEdge", std::string(255, 'a') + "\xc3\xa9",
                            std::string(255, 'a') + "..."},
                    CapCase{"FourByteCharacterOnTheEdge", std::string(253, 'a') + "\xf0\x9f\x98\x80",
                            std::string(253, 'a') + "..."},
                    CapCase{"OnlyContinuationBytes", std::string(300, '\x80'), std::string(253, '\x80') + "..."},
                    CapCase{"Huge", std::string(1 << 20, 'b'), std::string(256, 'b') + "..."}),
    [](const auto& row) { return row.param.name; });

TEST(Log, NumbersKeepTheirValue) {
  EXPECT_EQ(field("k", std::numeric_limits<std::uint64_t>::max()).value(), "18446744073709551615");
  EXPECT_EQ(field("k", std::numeric_limits<std::int64_t>::min()).value(), "-9223372036854775808");
  EXPECT_EQ(field("k", true).value(), "true");
  EXPECT_EQ(field("k", 1.25).value(), "1.25");
  EXPECT_EQ(field("k", std::numeric_limits<double>::quiet_NaN()).value(), "null");
}

TEST(LogLimited, PassesOneLinePerIntervalAndCountsTheRest) {
  FakeClock clock;
  Limited limited(clock, 1000);
  const std::string text = captured({}, [&] {
    for (int i = 0; i < 5; ++i) limited.write(Level::Warn, "bus", "frame refused", {field("i", i)});
    EXPECT_EQ(limited.held_back(), 4u);
    clock.now_ns += 999'999'999;
    limited.write(Level::Warn, "bus", "frame refused", {field("i", 5)});
    clock.now_ns += 1;
    limited.write(Level::Warn, "bus", "frame refused", {field("i", 6)});
    EXPECT_EQ(limited.held_back(), 0u);
    clock.now_ns += 1'000'000'000;
    limited.write(Level::Warn, "bus", "frame refused", {field("i", 7)});
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_THAT(text, HasSubstr("bus: frame refused i=0\n"));
  EXPECT_THAT(text, HasSubstr("bus: frame refused (5 more since the last line) i=6\n"));
  EXPECT_THAT(text, EndsWith("bus: frame refused i=7\n"));
}

}  // namespace
}  // namespace de::log
