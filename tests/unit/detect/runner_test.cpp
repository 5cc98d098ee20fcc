#include "detect/runner.h"

#include <gmock/gmock.h>

#include "detect/rule_book.h"

namespace de::detect {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Rule make_rule(const std::string& sql, const std::string& tests = "") {
  std::string text = "id: a\nsql: \"" + sql + "\"\n" + tests;
  auto rules = parse_rule_text("r.yaml", text);
  EXPECT_TRUE(rules) << rules.error().message();
  return std::move(rules->front());
}

const std::string kTwo = "tests: {match: [{rows: [{pid: 1, name: init}, {pid: 2, name: sh, cpu_usage: 1.5}]}]}\n";

std::unique_ptr<mirror::Session> session_over(const RuleTest& test) {
  auto session = mirror::Session::create(mirror::Origin::Rule, system_clock());
  EXPECT_TRUE(session);
  auto image = test_image(test, 1000);
  EXPECT_TRUE(image);
  EXPECT_TRUE((*session)->load(*image));
  return std::move(*session);
}

TEST(RunRule, OwnsWhatMatched) {
  const Rule rule =
      make_rule("SELECT pid, name, cpu_usage, cwd, CAST(name AS BLOB) AS b FROM processes ORDER BY pid", kTwo);
  auto session = session_over(rule.tests[0]);
  const auto matches = run_rule(*session, rule, mirror::kRuleBudget);
  session.reset();
  ASSERT_TRUE(matches) << matches.error().message();
  EXPECT_THAT(matches->columns, ElementsAre("pid", "name", "cpu_usage", "cwd", "b"));
  ASSERT_EQ(matches->rows.size(), 2U);
  const pb::Row& row = matches->rows[1];
  EXPECT_EQ(matches->find(row, "pid")->integer(), 2);
  EXPECT_EQ(matches->find(row, "name")->text(), "sh");
  EXPECT_EQ(matches->find(row, "cpu_usage")->real(), 1.5);
  EXPECT_EQ(matches->find(row, "cwd")->kind_case(), pb::Value::KIND_NOT_SET);
  EXPECT_EQ(matches->find(row, "b")->blob(), "sh");
  EXPECT_EQ(matches->find(row, "nosuch"), nullptr);
  EXPECT_FALSE(matches->truncated);
  EXPECT_GT(matches->vm_steps, 0U);
}

TEST(RunRule, CapsAndErrorsNameTheRule) {
  const Rule rule = make_rule("SELECT pid FROM processes", kTwo);
  const auto session = session_over(rule.tests[0]);
  const auto cut = run_rule(*session, rule, {1'000, 1 << 20, 1, 1'000});
  ASSERT_TRUE(cut);
  EXPECT_TRUE(cut->truncated);
  const auto late = run_rule(
      *session, make_rule("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT count(*) FROM c"),
      {20, 1 << 20, 1, 1'000});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Errc::Timeout);
  EXPECT_THAT(late.error().message(), HasSubstr("rule a: "));
}

TEST(TestRule, ReportsEachCase) {
  const Rule rule = make_rule("SELECT pid, name FROM processes WHERE name='sh'",
                              "tests:\n  match:\n    - rows: [{pid: 1, name: sh}]\n    - rows: [{name: bash}]\n"
                              "  no_match:\n    - rows: []\n    - name: quiet\n      rows: [{pid: 7, name: sh}]\n");
  const auto report = test_rule(rule, system_clock());
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->passed, 2U);
  ASSERT_EQ(report->failures.size(), 2U);
  EXPECT_EQ(report->failures[0].test, "match 2");
  EXPECT_EQ(report->failures[0].message, "expected a match, found none");
  EXPECT_EQ(report->failures[0].line, 6);
  EXPECT_EQ(report->failures[1].test, "quiet");
  EXPECT_EQ(report->failures[1].message, "expected no match, found 1: pid=7 name=sh");
}

TEST(TestRule, FaultsOfTheRuleAreFailedTests) {
  Rule rule = make_rule("SELECT nosuch FROM processes", "tests: {match: [{rows: [{pid: 1}, {pid: 1}]}, {rows: []}]}\n");
  const auto report = test_rule(rule, system_clock());
  ASSERT_TRUE(report);
  ASSERT_EQ(report->failures.size(), 2U);
  EXPECT_THAT(report->failures[0].message, HasSubstr("pid 1 appears twice"));
  EXPECT_THAT(report->failures[1].message, HasSubstr("no such column: nosuch"));
}

TEST(TestRule, RuleWithoutTestsPassesNone) {
  const auto report = test_rule(make_rule("SELECT 1"), system_clock());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->passed, 0U);
  EXPECT_TRUE(report->failures.empty());
}

TEST(TestRule, ScanTimeIsNowUnlessTheRowsSay) {
  const Rule rule = make_rule("SELECT pid FROM processes WHERE collection_time_ms = 5000 AND start_time_ms < 4000",
                              "tests: {match: [{rows: [{collection_time_ms: 5000, start_time_ms: 1}]}],"
                              " no_match: [{rows: [{start_time_ms: 1}]}]}\n");
  const auto report = test_rule(rule, system_clock());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->passed, 2U);
}

TEST(TestRule, RunsOverEvents) {
  const Rule rule = make_rule(
      "SELECT pid, exit_code FROM processes.events WHERE event_type = 'exit' AND exit_signal = 9 ORDER BY "
      "event_time_ms",
      "tests:\n"
      "  match: [{events: [{event_type: exit, pid: 7, exit_signal: 9}]}]\n"
      "  no_match: [{events: [{event_type: exec, pid: 7}, {event_type: exit, pid: 7, exit_signal: 15}]}]\n");
  const auto report = test_rule(rule, system_clock());
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->passed, 2U);
  EXPECT_TRUE(report->failures.empty()) << report->failures[0].message;
  const auto wrong = parse_rule_text("r.yaml", "id: a\nsql: SELECT 1\ntests: {match: [{events: [{exit_kode: 1}]}]}\n");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), HasSubstr("no column \"exit_kode\" in processes.events (did you mean"));
}

TEST(TestRule, RunsOverAllThatIsStored) {
  const Rule rule = make_rule(
      "SELECT h.process_uid FROM processes.history AS h JOIN scans AS s ON s.scan_id = h.scan_id "
      "LEFT JOIN alerts AS a ON a.process_uid = h.process_uid WHERE a.id IS NULL AND s.unreadable = 0 "
      "GROUP BY 1 HAVING max(h.memory_usage) > 2 * min(h.memory_usage)",
      "window: 1h\n"
      "tests:\n"
      "  match: [{history: [{scan_id: 1, process_uid: u, memory_usage: 10}, {scan_id: 2, process_uid: u, memory_usage: "
      "21}], scans: [{scan_id: 1, unreadable: 0}, {scan_id: 2, unreadable: 0}]}]\n"
      "  no_match: [{history: [{scan_id: 1, process_uid: u, memory_usage: 10}, {scan_id: 2, process_uid: u, "
      "memory_usage: 21}], scans: [{scan_id: 1, unreadable: 0}, {scan_id: 2, unreadable: 0}], alerts: [{id: x, "
      "process_uid: u}]}]\n");
  const auto report = test_rule(rule, system_clock());
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->passed, 2U);
  EXPECT_TRUE(report->failures.empty()) << report->failures[0].message;
}

TEST(ShippedRules, AllLoadAndPassTheirTests) {
  const auto book = RuleBook::open({std::string(DE_SOURCE_DIR) + "/packaging/rules"}, system_clock());
  ASSERT_TRUE(book) << book.error().message();
  const auto set = (*book)->snapshot();
  for (const FileError& error : set->errors) ADD_FAILURE() << error.message;
  for (const std::string& warning : set->warnings) ADD_FAILURE() << warning;
  EXPECT_GE(set->rules.size(), 50U);
  for (const auto& rule : set->rules) {
    const auto report = test_rule(*rule, system_clock());
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_GT(report->passed, 0U) << rule->id;
    for (const TestFailure& failure : report->failures)
      ADD_FAILURE() << rule->place.file << ":" << failure.line << ": " << failure.test << ": " << failure.message;
  }
}

}  // namespace
}  // namespace de::detect
