#include "detect/rule.h"

#include <gmock/gmock.h>

#include <set>

namespace de::detect {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kFull = R"(id: web-shell
name: Shell below a web server
description: >-
  two
  lines
severity: high
category: execution
tags: [attack.t1059, mine]
author: me
version: 1.10
enabled: false
on: both
priority: 2
dedup: { keys: [pid, name], seconds: 60 }
requires: { tables: [processes], columns: [pid, name] }
license: Apache-2.0
sql: |
  SELECT pid, name
  FROM processes
tests:
  match:
    - rows: [ {pid: 10, name: nginx, cpu_usage: 1.5}, {pid: 11, ppid: 10, name: 3, accessible: true, cwd: } ]
  no_match:
    - name: nobody there
      rows: []
)";

Rule must_parse(std::string_view text, std::string_view file = "r.yaml") {
  auto rules = parse_rule_text(file, text);
  EXPECT_TRUE(rules) << rules.error().message();
  EXPECT_EQ(rules ? rules->size() : 0U, 1U);
  return rules && !rules->empty() ? std::move(rules->front()) : Rule{};
}

std::string error_of(std::string_view text, std::string_view file = "r.yaml") {
  const auto rules = parse_rule_text(file, text);
  return rules ? "no error" : rules.error().message();
}

TEST(RuleText, IsKnownByWhatItSays) {
  const auto digest = [](std::string_view text) { return must_parse(text).digest; };
  const std::string plain = digest("id: a\nname: b\nsql: SELECT pid FROM processes\n");
  EXPECT_EQ(plain.size(), 64U);
  EXPECT_EQ(plain, digest("# Prose.\n\nid: a\nname: b\nsql:    SELECT pid FROM processes\n"));
  EXPECT_EQ(plain, digest("- id: a\n  name: b\n  sql: SELECT pid FROM processes\n")) << "in a list";
  std::set<std::string> digests = {plain};
  for (const char* other :
       {"id: a\nname: c\nsql: SELECT pid FROM processes\n", "id: a\nname: b\nsql: SELECT ppid FROM processes\n",
        "id: a\nname: b\nenabled: false\nsql: SELECT pid FROM processes\n",
        "id: a\nname: b\ntags: [c]\nsql: SELECT pid FROM processes\n",
        "id: a\nname: b\ntags: [d]\nsql: SELECT pid FROM processes\n",
        "id: a\nname: b\ntags: [c, d]\nsql: SELECT pid FROM processes\n"})
    EXPECT_TRUE(digests.insert(digest(other)).second) << other;
}

TEST(RuleText, ReadsEveryField) {
  const Rule rule = must_parse(kFull);
  EXPECT_EQ(rule.id, "web-shell");
  EXPECT_EQ(rule.name, "Shell below a web server");
  EXPECT_EQ(rule.description, "two lines");
  EXPECT_EQ(rule.severity, pb::SEVERITY_HIGH);
  EXPECT_EQ(rule.category, "execution");
  EXPECT_THAT(rule.tags, ElementsAre("attack.t1059", "mine"));
  EXPECT_EQ(rule.author, "me");
  EXPECT_EQ(rule.version, "1.10");
  EXPECT_FALSE(rule.enabled);
  EXPECT_EQ(rule.on, Trigger::Both);
  EXPECT_EQ(rule.priority, 2);
  EXPECT_THAT(rule.dedup.keys, ElementsAre("pid", "name"));
  EXPECT_EQ(rule.dedup.seconds, 60U);
  EXPECT_THAT(rule.requires_.tables, ElementsAre("processes"));
  EXPECT_EQ(rule.license, "Apache-2.0");
  EXPECT_EQ(rule.sql, "SELECT pid, name\nFROM processes\n");
  EXPECT_EQ(rule.place.file, "r.yaml");
  EXPECT_EQ(rule.place.line, 1);
  EXPECT_EQ(rule.place.sql_line, 18);
}

TEST(RuleText, ReadsTests) {
  const Rule rule = must_parse(kFull);
  ASSERT_EQ(rule.tests.size(), 2U);
  EXPECT_EQ(rule.tests[0].name, "match 1");
  EXPECT_TRUE(rule.tests[0].must_match);
  ASSERT_EQ(rule.tests[0].rows.size(), 2U);
  EXPECT_EQ(rule.tests[0].rows[0][2].second, TestValue{1.5});
  EXPECT_EQ(rule.tests[0].rows[1][2].second, TestValue{std::string("3")}) << "name is a text column";
  EXPECT_EQ(rule.tests[0].rows[1][3].second, TestValue{std::int64_t{1}});
  EXPECT_EQ(rule.tests[0].rows[1][4].second, TestValue{});
  EXPECT_EQ(rule.tests[1].name, "nobody there");
  EXPECT_FALSE(rule.tests[1].must_match);
  EXPECT_TRUE(rule.tests[1].rows.empty());
}

TEST(RuleText, DefaultsAreThoseOfTheDocumentation) {
  const Rule rule = must_parse("id: a\nsql: SELECT 1\n");
  EXPECT_EQ(rule.name, "a");
  EXPECT_EQ(rule.severity, pb::SEVERITY_MEDIUM);
  EXPECT_TRUE(rule.enabled);
  EXPECT_EQ(rule.on, Trigger::Snapshot);
  EXPECT_EQ(rule.priority, 5);
  EXPECT_FALSE(rule.dedup.seconds) << "the settings have it";
  EXPECT_TRUE(rule.runs_on_snapshot());
  EXPECT_FALSE(rule.runs_on_event());
  EXPECT_EQ(rule.place.sql_line, 2);
}

TEST(RuleText, PacksAreListsOrHaveRules) {
  const auto list = parse_rule_text("p.yaml", "- {id: a, sql: SELECT 1}\n- {id: b, sql: SELECT 2}\n");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->size(), 2U);
  EXPECT_EQ((*list)[1].place.line, 2);
  const auto pack =
      parse_rule_text("p.yaml",
                      "metadata: {name: n, author: them, version: 3}\nrules:\n  - {id: a, sql: SELECT 1, author: me}\n"
                      "  - {id: b, sql: SELECT 2}\n");
  ASSERT_TRUE(pack) << pack.error().message();
  EXPECT_EQ((*pack)[0].author, "me");
  EXPECT_EQ((*pack)[1].author, "them");
  EXPECT_EQ((*pack)[1].version, "3");
  EXPECT_TRUE(parse_rule_text("p.yaml", "rules: []")->empty());
  EXPECT_TRUE(parse_rule_text("p.yaml", "# nothing\n")->empty());
}

struct Bad {
  const char* text;
  const char* expected;
};

TEST(RuleText, RefusesWithPlaceAndAdvice) {
  const std::vector<Bad> cases = {
      {"id: a\nsevrity: high\nsql: x\n", "r.yaml:2:1: unknown key \"sevrity\" (did you mean \"severity\"?)"},
      {"id: a\nseverity: hihg\nsql: x\n", "r.yaml:2:11: severity must be one of low, medium, high, critical"},
      {"id: a\nseverity: [high]\nsql: x\n", "severity must be one of"},
      {"name: a\nsql: x\n", "r.yaml:1:1: the rule has no id"},
      {"id:\nsql: x\n", "id must be text, found nothing"},
      {"id: a b\nsql: x\n", "r.yaml:1:5: id must be made of letters"},
      {"id: ../x\nsql: x\n", "id must be made of letters"},
      {"id: a\n", "rule a has no sql"},
      {"id: a\nsql: '  '\n", "rule a has no sql"},
      {"id: a\nsql: [x]\n", "r.yaml:2:6: sql must be text, found a list"},
      {"id: a\nsql: x\nenabled: yes\n", "enabled must be true or false"},
      {"id: a\nsql: x\non: start\n", "on must be one of event, snapshot, both"},
      {"id: a\nsql: x\npriority: 11\n", "r.yaml:3:11: priority must be a whole number from 1 to 10"},
      {"id: a\nsql: x\npriority: high\n", "priority must be a whole number"},
      {"id: a\nsql: x\ntags: one\n", "tags must be a list, found a value"},
      {"id: a\nsql: x\ntags: [{}]\n", "an item of tags must be text"},
      {"id: a\nsql: x\ndedup: 5\n", "dedup must be a map"},
      {"id: a\nsql: x\ndedup: {seconds: -1}\n", "dedup.seconds must be a whole number from 0"},
      {"id: a\nsql: x\ndedup: {key: [a]}\n", "unknown key \"key\" (did you mean \"keys\"?)"},
      {"id: a\nsql: x\nrequires: [a]\n", "requires must be a map"},
      {"id: a\nsql: x\ntests: []\n", "tests must be a map"},
      {"id: a\nsql: x\ntests: {matches: []}\n", "unknown key \"matches\" (did you mean \"match\"?)"},
      {"id: a\nsql: x\ntests: {match: [{}]}\n", "a test needs rows"},
      {"id: a\nsql: x\ntests: {match: [{rows: [1]}]}\n", "a row must be a map"},
      {"id: a\nsql: x\ntests:\n  match:\n    - rows: [{pdi: 1}]\n", "r.yaml:5:15: no column \"pdi\" in processes"},
      {"id: a\nsql: x\ntests: {match: [{rows: [{pid: x}]}]}\n", "pid must be a whole number"},
      {"id: a\nsql: x\ntests: {match: [{rows: [{pid: 1.5}]}]}\n", "pid must be a whole number"},
      {"id: a\nsql: x\ntests: {match: [{rows: [{name: [1]}]}]}\n", "name must be one value"},
      {"id: a\nsql: x\nid: b\n", "r.yaml:3:1: key \"id\" appears twice"},
      {"- {id: a, sql: x}\n- {id: a, sql: y}\n", "r.yaml:2:3: rule id \"a\" appears twice in this file"},
      {"- 5\n", "a rule must be a map of keys, found a value"},
      {"hello\n", "a rule must be a map of keys"},
      {"rules: {id: a}\n", "rules must be a list"},
      {"rules: []\nid: a\n", "unknown key \"id\""},
      {"metadata: {signature: x}\nrules: []\n", "unknown key \"signature\""},
      {"id: [\n", "r.yaml:"},
  };
  for (const Bad& bad : cases) EXPECT_THAT(error_of(bad.text), HasSubstr(bad.expected)) << bad.text;
}

TEST(RuleText, LimitsHold) {
  EXPECT_THAT(error_of("id: " + std::string(129, 'a') + "\nsql: x\n"), HasSubstr("id is longer than 128 bytes"));
  EXPECT_THAT(error_of("id: a\nsql: " + std::string(140'000, 'x')), HasSubstr("sql is longer than 131072 bytes"));
  EXPECT_EQ(parse_rule_text("r.yaml", std::string(kMaxRuleFileBytes + 1, '#')).error().code(), Errc::TooLarge);
  EXPECT_EQ(parse_rule_text("r.sql", std::string(kMaxRuleFileBytes + 1, '-')).error().code(), Errc::TooLarge);
  std::string many;
  for (std::size_t i = 0; i <= kMaxRulesPerFile; ++i) many += "- {id: r" + std::to_string(i) + ", sql: x}\n";
  EXPECT_THAT(error_of(many), HasSubstr("more than 2000 rules in one file"));
  std::string tests = "id: a\nsql: x\ntests:\n  match:\n";
  for (std::size_t i = 0; i <= kMaxTestsPerRule; ++i) tests += "    - rows: []\n";
  EXPECT_THAT(error_of(tests), HasSubstr("more than 64 tests"));
}

TEST(SqlRule, ReadsTheHeader) {
  const std::string text =
      "-- id: odd-shell\n-- name: Odd: shell\n-- severity: critical\n-- tags: attack.t1059, mine\n"
      "-- description: first\n--    and second\n-- This is prose: not a header.\n-- dedup: pid, name\n"
      "-- dedup_seconds: 5\n\nSELECT pid, name\nFROM processes; -- id: not this\n";
  const Rule rule = must_parse(text, "dir/x.sql");
  EXPECT_EQ(rule.id, "odd-shell");
  EXPECT_EQ(rule.name, "Odd: shell");
  EXPECT_EQ(rule.severity, pb::SEVERITY_CRITICAL);
  EXPECT_THAT(rule.tags, ElementsAre("attack.t1059", "mine"));
  EXPECT_EQ(rule.description, "first and second");
  EXPECT_THAT(rule.dedup.keys, ElementsAre("pid", "name"));
  EXPECT_EQ(rule.dedup.seconds, 5U);
  EXPECT_EQ(rule.sql, text);
  EXPECT_EQ(rule.place.sql_line, 1);
}

TEST(SqlRule, IdIsTheFileNameWhenNotGiven) {
  EXPECT_EQ(must_parse("SELECT 1", "/etc/rules/odd-shell.sql").id, "odd-shell");
  EXPECT_EQ(must_parse("-- only prose here\nSELECT 1", "x.sql").name, "x");
}

TEST(SqlRule, RefusesWithPlace) {
  EXPECT_THAT(error_of("-- id: a\n-- sevrity: low\nSELECT 1", "x.sql"),
              HasSubstr("x.sql:2:4: unknown key \"sevrity\" (did you mean \"severity\"?)"));
  EXPECT_THAT(error_of("-- severity: lo\nSELECT 1", "x.sql"), HasSubstr("x.sql:1:4: severity must be one of"));
  EXPECT_THAT(error_of("-- id: a\n-- id: b\nSELECT 1", "x.sql"), HasSubstr("x.sql:2:4: key \"id\" appears twice"));
  EXPECT_THAT(error_of("-- sql: a\nSELECT 1", "x.sql"), HasSubstr("cannot have \"sql\""));
  EXPECT_THAT(error_of("", "x.sql"), HasSubstr("rule x has no sql"));
  EXPECT_THAT(error_of("SELECT 1", "bad name.sql"), HasSubstr("id must be made of letters"));
}

TEST(ParseRule, ReadsTheWindow) {
  const auto window = [](const std::string& text) {
    const auto rules = parse_rule_text("r.yaml", "id: a\nsql: SELECT 1\nwindow: " + text + "\n");
    return rules ? std::to_string(rules->front().window_ms) : rules.error().message();
  };
  EXPECT_EQ(window("90s"), "90000");
  EXPECT_EQ(window("10m"), "600000");
  EXPECT_EQ(window("2h"), "7200000");
  EXPECT_EQ(window("30d"), "2592000000");
  for (const char* bad : {"31d", "0s", "-5m", "10", "m", "10 m", "10M", "1.5h", "99999999999999999999s", "[1]"})
    EXPECT_EQ(window(bad), "r.yaml:3:9: window must be a time of at most 30 days, such as 90s, 10m, 2h or 1d") << bad;
}

}  // namespace
}  // namespace de::detect
