#include "daemoneye/config/file_text.h"

#include <gmock/gmock.h>

namespace de::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

std::vector<Change> changes(std::string_view before, std::string_view after) {
  const auto old_settings = settings_in("a.yaml", before);
  const auto new_settings = settings_in("a.yaml", after);
  EXPECT_TRUE(old_settings && new_settings);
  return changes_between(*old_settings, *new_settings);
}

bool is_weaker(std::string_view before, std::string_view after) {
  const auto found = changes(before, after);
  EXPECT_EQ(found.size(), 1U) << before << " -> " << after;
  return !found.empty() && !found[0].gives_up.empty();
}

TEST(FileText, EveryMistakeOfEveryProgramIsTold) {
  EXPECT_THAT(
      mistakes_in("f.yaml",
                  "spool: {max_mb: many}\nlog:\n  levle: info\n  format: xml\n"
                  "sinks: [{name: a, typ: file, format: pdf}, {name: b, path: x}]\ncli.output: csv\nquery: 5\n"),
      ElementsAre(StartsWith("f.yaml:1:17: spool.max_mb: expected a whole number, 1 to 1048576"),
                  "f.yaml:3:3: unknown key \"log.levle\" (did you mean \"log.level\"?)",
                  StartsWith("f.yaml:4:11: log.format: expected one of human, json"),
                  StartsWith("f.yaml:5:19: sinks: unknown field \"typ\" (did you mean \"type\"?)"),
                  StartsWith("f.yaml:5:38: sinks.format: expected one of"),
                  StartsWith("f.yaml:5:60: sinks.path: expected an absolute path"),
                  StartsWith("f.yaml:7:8: query: expected keys and values below it")));
  EXPECT_THAT(mistakes_in("f.toml", "spool.max_mb = 0\nscan_interval_ms = 1\n"), SizeIs(2));
  EXPECT_THAT(mistakes_in("f.yaml", "a: [\n"), ElementsAre(StartsWith("f.yaml:")));
  EXPECT_THAT(mistakes_in("f.yaml", "spool: {max_mb: 7}\n"), IsEmpty());
}

TEST(FileText, MistakesAreBounded) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const auto mistakes = mistakes_in("f.yaml", text);
  ASSERT_THAT(mistakes, SizeIs(kMaxMistakes + 1));
  EXPECT_THAT(mistakes.back(), HasSubstr("more mistakes"));
}

TEST(FileText, ValuesAreWrittenAsTheFileHasThem) {
  EXPECT_EQ(value_for_file("log.level", "warn", Syntax::Yaml).value(), "warn");
  EXPECT_EQ(value_for_file("log.level", "warn", Syntax::Json).value(), "\"warn\"");
  EXPECT_EQ(value_for_file("log.level", "warn", Syntax::Toml).value(), "\"warn\"");
  EXPECT_EQ(value_for_file("control.read_only", "yes", Syntax::Toml).value(), "true");
  EXPECT_EQ(value_for_file("spool.max_mb", "7", Syntax::Json).value(), "7");
  EXPECT_EQ(value_for_file("rules.dirs", "/a:/b", Syntax::Toml).value(), "[\"/a\", \"/b\"]");
  EXPECT_EQ(value_for_file("control.readers", "x", Syntax::Yaml).value(), "\"x\"");
  EXPECT_EQ(value_for_file("agent.uid", "null", Syntax::Yaml).value(), "null");
  EXPECT_EQ(value_for_file("agent.uid", "null", Syntax::Toml).error().code(), Errc::Unsupported);
  EXPECT_EQ(value_for_file("sinks", "[{name: a}]", Syntax::Toml).error().code(), Errc::Unsupported);
  EXPECT_THAT(value_for_file("sinks", "[{name: a}]", Syntax::Yaml).value(), StartsWith("[{name: \"a\", type: stdout"));
  EXPECT_THAT(value_for_file("spool.max_mbs", "7", Syntax::Yaml).error().message(), HasSubstr("did you mean"));
  EXPECT_THAT(value_for_file("spool.max_mb", "0", Syntax::Yaml).error().message(), HasSubstr("1 to 1048576"));
}

TEST(FileText, WhatProtectsLessIsSaid) {
  EXPECT_TRUE(is_weaker("", "collect.environment: true"));
  EXPECT_FALSE(is_weaker("collect.environment: true", ""));
  EXPECT_TRUE(is_weaker("", "collect.unmasked_arguments: true"));
  EXPECT_TRUE(is_weaker("control.read_only: true", "control.read_only: false"));
  EXPECT_FALSE(is_weaker("", "control.read_only: true"));
  EXPECT_TRUE(is_weaker("", "database.retention_days: 7"));
  EXPECT_FALSE(is_weaker("", "database.retention_days: 70"));
  EXPECT_TRUE(is_weaker("", "control.readers: users"));
  EXPECT_TRUE(is_weaker("", "agent.uid: 7"));
  EXPECT_FALSE(is_weaker("", "scan_interval_ms: 5000"));
  EXPECT_THAT(changes("control.read_only: false", ""), IsEmpty()) << "what stays as it is gives up nothing";
}

TEST(FileText, ChangesTellBothValuesAndThePlace) {
  const auto found = changes("spool: {max_mb: 7}\n", "spool:\n  max_mb: 8\nlog.level: warn\n");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].path, "log.level");
  EXPECT_EQ(found[1].before, "7");
  EXPECT_EQ(found[1].after, "8");
  EXPECT_EQ(found[1].where, "a.yaml:2:11");
}

}  // namespace
}  // namespace de::config
