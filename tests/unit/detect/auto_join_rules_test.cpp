#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "detect/rule_book.h"
#include "detect/runner.h"

namespace de::detect {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// When the rule runs, and its trigger; or what is wrong with it.
std::string settled(const std::string& sql, const std::string& more = "") {
  static auto sessions = std::move(*CheckSessions::create(system_clock()));
  auto rules = parse_rule_text("r.yaml", "id: a\nsql: " + sql + "\n" + more);
  if (!rules) return rules.error().message();
  const auto checked = check_rule(sessions, rules->front());
  if (!checked) return checked.error().message();
  const Rule& rule = rules->front();
  return std::string(to_text(rule.on)) + (rule.is_live ? " live: " : ": ") + rule.trigger;
}

TEST(AutoJoinRules, RunForNewEventsOrWithSnapshots) {
  EXPECT_EQ(
      settled("SELECT e.pid, f.path FROM processes.events e AUTO JOIN processes.open_files f ON f.pid = e.pid WHEN "
              "e.name = 'nc' WHERE f.path LIKE '/etc/%'"),
      "event live: SELECT pid FROM processes.events e WHERE (e.name = 'nc')");
  EXPECT_THAT(settled("SELECT p.pid, f.path FROM processes p AUTO JOIN processes.open_files f ON f.pid = p.pid WHEN "
                      "p.name = 'nc'"),
              StartsWith("snapshot live: "));
  EXPECT_THAT(settled("SELECT e.pid FROM processes.events e AUTO JOIN open_files f ON f.pid = e.pid WHEN e.name = 'x'",
                      "window: 5m"),
              StartsWith("snapshot live: "));
}

TEST(AutoJoinRules, TestsBringWhatIsRead) {
  auto sessions = std::move(*CheckSessions::create(system_clock()));
  auto rules = parse_rule_text(
      "r.yaml",
      "id: a\nsql: SELECT e.pid FROM processes.events e AUTO JOIN processes.open_files f ON f.pid = e.pid WHEN e.name "
      "= "
      "'nc' WHERE f.path LIKE '/etc/%'\ntests:\n  match:\n    - events: [{pid: 5, name: nc}]\n      tables: "
      "{processes.open_files: [{pid: 5, fd: 3, path: /etc/shadow}]}\n  no_match:\n    - events: [{pid: 5, name: sh}]\n"
      "      tables: {processes.open_files: [{pid: 5, path: /etc/shadow}]}\n    - events: [{pid: 5, name: nc}]\n"
      "      tables: {processes.open_files: [{pid: 6, path: /etc/shadow}]}\n    - events: [{pid: 5, name: nc}]\n");
  ASSERT_TRUE(rules) << rules.error().message();
  ASSERT_TRUE(check_rule(sessions, rules->front()));
  const auto report = test_rule(rules->front(), system_clock());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->passed, 4U) << (report->failures.empty() ? "" : report->failures.front().message);
  rules->front().tests.front().foreign["processes.open_files"].front().front() = {"nothing", std::string("x")};
  EXPECT_THAT(test_rule(rules->front(), system_clock())->failures.front().message, HasSubstr("no column nothing"));
}

TEST(AutoJoinRules, SayWhatIsWrong) {
  EXPECT_THAT(settled("SELECT p.pid FROM processes p JOIN processes.open_files f ON f.pid = p.pid"),
              HasSubstr("processes.open_files is read from processes each time: write AUTO JOIN"));
  EXPECT_THAT(settled("SELECT e.pid FROM processes.events e AUTO JOIN open_files f ON f.pid = e.pid", "on: event"),
              HasSubstr("on: event needs FROM processes.events AUTO JOIN ... WHEN"));
  EXPECT_THAT(settled("SELECT e.pid FROM processes.events e AUTO JOIN open_files f ON f.pid = e.pid"),
              HasSubstr("without a time limit"));
  EXPECT_THAT(
      settled("SELECT p.pid FROM processes p AUTO JOIN open_files f ON f.pid = p.pid WHEN p.pid = 1", "on: both"),
      HasSubstr("on: both is not for rules with AUTO JOIN"));
  EXPECT_THAT(settled("SELECT e.pid FROM processes.events e AUTO JOIN open_files f ON f.pid = e.pid WHEN f.fd = 1"),
              HasSubstr("WHEN: no such column: f.fd"));
  EXPECT_THAT(
      settled("SELECT e.pid FROM processes.events e AUTO JOIN open_files f ON f.pid = e.pid WHEN e.pid = (SELECT "
              "max(pid) FROM processes)"),
      HasSubstr("WHEN looks at one event at a time"));
  EXPECT_THAT(settled("SELECT p.pid FROM processes p AUTO JOIN scans s ON 1"),
              HasSubstr("r.yaml:2:1: rule a: sql: AUTO JOIN is for"));
}

}  // namespace
}  // namespace de::detect
