#include "daemoneye/config/change.h"

#include <gmock/gmock.h>

#include "daemoneye/config/file_text.h"

namespace de::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

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

TEST(Change, WhatProtectsLessIsSaid) {
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

TEST(Change, ChangesTellBothValuesAndThePlace) {
  const auto found = changes("spool: {max_mb: 7}\n", "spool:\n  max_mb: 8\nlog.level: warn\n");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].path, "log.level");
  EXPECT_EQ(found[1].before, "7");
  EXPECT_EQ(found[1].after, "8");
  EXPECT_EQ(found[1].where, "a.yaml:2:11");
}

TEST(Change, WhatMayCountAtOnceIsToldFromWhatTakesARestart) {
  const auto before = load_agent({{{"sinks", "[{name: a}]"}, {"query.max_rows", "5"}}, nullptr, "", "", "", false});
  const auto after = load_agent({{{"sinks", "[{name: b}]"}, {"query.max_rows", "7"}}, nullptr, "", "", "", false});
  ASSERT_TRUE(before && after);
  const Reread reread = compare(Program::Agent, before->settings, after->settings);
  EXPECT_EQ(names_of(reread.live), "query.max_rows");
  EXPECT_EQ(names_of(reread.waiting), "sinks");
  const std::string in_force = print_config(reread.settings, false);
  EXPECT_THAT(in_force, HasSubstr("query.max_rows: 7\n"));
  EXPECT_THAT(in_force, HasSubstr("name: \"a\"")) << "what was started with stays until the restart";
  // Asked again, it still waits.
  EXPECT_EQ(names_of(compare(Program::Agent, reread.settings, after->settings).waiting), "sinks");
  EXPECT_THAT(compare(Program::Agent, reread.settings, after->settings).live, IsEmpty());
}

TEST(Change, LedgerTextIsJsonAndBounded) {
  const auto text = changes_json(changes("", "control.readers: \"" + std::string(60, 'x') + "\"\nlog.level: warn\n"));
  EXPECT_THAT(text, HasSubstr("\"log.level\":{\"from\":\"info\",\"to\":\"warn\",\"where\":\"a.yaml:2:12\"}"));
  std::string dirs;
  for (int i = 0; i < 60; ++i)
    dirs += "/" + std::string(100, static_cast<char>('a' + i % 26)) + std::to_string(i) + ", ";
  EXPECT_LT(changes_json(changes("", "rules.dirs: [" + dirs + "]\n")).size(), 700U);
  EXPECT_LT(changes_json(changes("rules.dirs: [" + dirs + "]\n", "")).size(), 700U);
}

TEST(Change, TheTableSaysWhatAReloadChanges) {
  EXPECT_THAT(live_keys(Program::Agent), Contains("database.retention_days"));
  EXPECT_THAT(live_keys(Program::Procmond), Not(Contains("collect.environment")));
  EXPECT_THAT(live_keys(Program::Cli), IsEmpty());
  EXPECT_EQ(takes_effect_by("query.max_rows"), "a reload");
  EXPECT_EQ(takes_effect_by("sinks"), "a restart");
  EXPECT_EQ(takes_effect_by("cli.output"), "the next command");
}

}  // namespace
}  // namespace de::config
