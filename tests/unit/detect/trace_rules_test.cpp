// `trace:` in rule files, and which traces may follow which.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "detect/rule_book.h"
#include "detect/runner.h"
#include "rule_dir.h"

namespace de::detect {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class TraceRules : public RuleDir {
 protected:
  void write(const std::string& id, const std::string& sql, const std::string& rest) const {
    write_file(id + ".yaml", "id: " + id + "\nsql: " + sql + "\n" + rest + "\n");
  }
  // A rule that follows others, named "b, c"; with nobody to follow, one over processes.
  void follow(const std::string& id, const std::string& after) const {
    if (after.empty())
      write(id, "SELECT pid FROM processes", "trace: {}");
    else
      write(id, "SELECT pid, process_uid FROM traces", "window: 1m\ntrace: {after: [" + after + "]}");
  }
  std::shared_ptr<const RuleSet> load() const { return open()->snapshot(); }
  // The one complaint there is.
  std::string complaint() const {
    const auto set = load();
    if (set->errors.size() != 1) return std::to_string(set->errors.size()) + " errors";
    return set->errors.front().message;
  }
};

TEST_F(TraceRules, SayWhatIsCapturedAndForHowLong) {
  write("all", "SELECT pid FROM processes", "trace: {}");
  write("some", "SELECT pid FROM processes",
        "trace: {capture: [open_files, command_line], for: 5m, descendants: false}");
  const auto set = load();
  ASSERT_THAT(set->errors, IsEmpty());
  const TraceOrder& all = *set->find("all")->trace;
  EXPECT_TRUE(all.command_line && all.environment && all.open_files && all.descendants);
  EXPECT_EQ(all.for_ms, 60'000);
  const TraceOrder& some = *set->find("some")->trace;
  EXPECT_TRUE(some.command_line && some.open_files);
  EXPECT_FALSE(some.environment || some.descendants);
  EXPECT_EQ(some.for_ms, 300'000);
}

TEST_F(TraceRules, WhatIsWrittenWronglyIsRefusedWithItsPlace) {
  const auto refused = [&](const std::string& trace, const std::string& why, const std::string& sql) {
    write("r", sql, trace);
    EXPECT_THAT(complaint(), HasSubstr(why)) << trace;
    EXPECT_THAT(complaint(), HasSubstr("r.yaml:")) << trace;
  };
  const std::string sql = "SELECT pid FROM processes";
  refused("trace: [open_files]", "trace must be a map", sql);
  refused("trace: {capture: [open_file]}", "nothing is called \"open_file\" (did you mean \"open_files\"?)", sql);
  refused("trace: {capture: []}", "trace.capture is empty", sql);
  refused("trace: {for: 11m}", "trace.for must be a time of at most 10 minutes", sql);
  refused("trace: {for: 0s}", "trace.for must be a time", sql);
  refused("trace: {descendents: true}", "did you mean \"descendants\"", sql);
  refused("trace: {}", "the result has no column pid", "SELECT name FROM processes");
  refused("trace: {after: [x]}", "the rule does not read traces", sql);
  refused("window: 1m\ntrace: {}", "name the rules whose traces it follows", "SELECT pid, process_uid FROM traces");
  refused("window: 1m\ntrace: {after: [x]}", "no column process_uid", "SELECT pid FROM traces");
  refused("trace: {}", "did you mean \"traces\"", "SELECT pid FROM trace");
}

TEST_F(TraceRules, OneFollowsAnotherDownToTheFifth) {
  follow("a", "");
  follow("b", "a");
  follow("c", "b, a");
  follow("d", "c");
  follow("e", "d");
  const auto set = load();
  ASSERT_THAT(set->errors, IsEmpty());
  EXPECT_EQ(set->find("a")->trace->depth, 1U);
  EXPECT_EQ(set->find("c")->trace->depth, 3U);
  EXPECT_EQ(set->find("e")->trace->depth, 5U);
  follow("f", "e");
  EXPECT_THAT(complaint(), HasSubstr("rule f: trace.after: 6 traces would follow one another; at most 5 may"));
  EXPECT_NE(load()->find("e"), nullptr);
}

TEST_F(TraceRules, NoneFollowsItself) {
  follow("a", "a");
  EXPECT_THAT(complaint(), HasSubstr("traces would follow themselves: a after a"));
  follow("a", "c");
  follow("b", "a");
  follow("c", "b");
  follow("good", "");
  const auto set = load();
  ASSERT_EQ(set->errors.size(), 3U);
  EXPECT_THAT(set->errors.front().message, HasSubstr("a after c after b after a"));
  EXPECT_EQ(set->find("a"), nullptr);
  EXPECT_NE(set->find("good"), nullptr);
}

TEST_F(TraceRules, WhomTheyFollowMustBeThere) {
  follow("first", "");
  follow("second", "frist");
  EXPECT_THAT(complaint(), HasSubstr("trace.after: there is no rule frist (did you mean \"first\"?)"));
  write("plain", "SELECT pid FROM processes", "");
  follow("second", "plain");
  EXPECT_THAT(complaint(), HasSubstr("rule plain has no trace"));
  follow("second", "gone");
  follow("third", "second");
  EXPECT_EQ(load()->errors.size(), 2U) << "who follows a rule that is refused has nobody to follow";
}

// As `rules validate` asks of a file that is not loaded.
TEST_F(TraceRules, AreCheckedAgainstThoseThatAreLoaded) {
  follow("first", "");
  follow("second", "first");
  const auto set = load();
  const auto check = [&](const std::string& text) {
    const auto rules = parse_rule_text("new.yaml", text);
    EXPECT_TRUE(rules) << rules.error().message();
    const auto checked = check_traces(*rules, *set);
    return checked ? std::string("good") : checked.error().message();
  };
  const std::string sql = "sql: SELECT pid, process_uid FROM traces\nwindow: 1m\n";
  EXPECT_EQ(check("id: third\n" + sql + "trace: {after: [second]}\n"), "good");
  EXPECT_THAT(
      check("id: first\n" + sql + "trace: {after: [second]}\n"),
      HasSubstr("new.yaml:1:1: rule first: trace.after: traces would follow themselves: first after second after"));
  EXPECT_THAT(check("id: third\n" + sql + "trace: {after: [secnod]}\n"), HasSubstr("did you mean \"second\""));
  EXPECT_EQ(to_text(*set->find("second")->trace),
            "command_line, environment, open_files for 60s, with descendants, after first");
}

TEST_F(TraceRules, ARuleSeesOnlyTheTracesItFollows) {
  follow("a", "");
  write("b", "SELECT pid, process_uid FROM traces",
        "window: 1m\ntrace: {after: [a]}\ntests:\n  match:\n    - traces: [{pid: 5, rule_id: a}]\n  no_match:\n    - "
        "traces: [{pid: 5, rule_id: b}, {pid: 6, rule_id: other}]");
  write("anybody", "SELECT pid, process_uid FROM traces",
        "window: 1m\ntests:\n  match:\n    - traces: [{pid: 5, rule_id: other}]");
  const auto set = load();
  EXPECT_THAT(set->errors, IsEmpty()) << (set->errors.empty() ? "" : set->errors.front().message);
}

}  // namespace
}  // namespace de::detect
