#include "alert/raise.h"

#include <algorithm>
#include <set>

#include "fixture.h"

namespace de::alert {
namespace {

pb::Value integer(std::int64_t number) {
  pb::Value value;
  value.set_integer(number);
  return value;
}
pb::Value text(std::string bytes) {
  pb::Value value;
  value.set_text(std::move(bytes));
  return value;
}

class RaiseTest : public SnapshotTest {
 protected:
  RaiseTest() {
    rule.id = "web-shell";
    rule.name = "Shell from web server";
    rule.description = "A web server started a shell.";
    rule.severity = pb::SEVERITY_HIGH;
    rule.category = "execution";
    rule.tags = {"attack.t1059"};
    rule.author = "Ann";
    rule.license = "DRL-1.1";
    rule.source = "https://rules.example/a.yml";
    context.completeness.set_complete(true);
    context.host = "box-1";
    context.generation = 3;
    context.scan_id = 9;
    context.scan_time_ms = 1'000;
  }
  void SetUp() override {
    load({{.pid = 1, .ppid = 0, .name = "init", .start_ms = 1},
          {.pid = 10, .ppid = 1, .name = "nginx", .start_ms = 10},
          {.pid = 42, .ppid = 10, .name = "sh", .start_ms = 20, .uid = uid_of('a')}});
  }

  void row(std::vector<pb::Value> values) {
    pb::Row& added = matches.rows.emplace_back();
    for (pb::Value& value : values) *added.add_values() = std::move(value);
  }
  std::vector<pb::Alert> run() { return raise(rule, matches, context, *lineage, clock); }
  pb::Alert run_one() {
    auto alerts = run();
    EXPECT_EQ(alerts.size(), 1U);
    return alerts.empty() ? pb::Alert() : alerts[0];
  }

  detect::Rule rule;
  detect::Matches matches;
  Context context;
};

TEST_F(RaiseTest, NothingMatchedNothingRaised) {
  matches.columns = {"pid"};
  EXPECT_TRUE(run().empty());
}

TEST_F(RaiseTest, OneRowFillsEveryField) {
  matches.columns = {"pid", "name", "executable_path", "user_id", "process_uid"};
  matches.elapsed_us = 77;
  row({integer(42), text("sh"), text("/bin/sh"), text("33"), text("61616161-6161-6161-6161-616161616161")});
  const pb::Alert alert = run_one();
  EXPECT_EQ(alert.id().size(), 36U);
  EXPECT_EQ(alert.alert_time_ms(), clock.now_ms);
  EXPECT_EQ(alert.rule_id(), "web-shell");
  EXPECT_EQ(alert.title(), "Shell from web server: sh (pid 42)");
  EXPECT_EQ(alert.description(), "A web server started a shell.");
  EXPECT_EQ(alert.severity(), pb::SEVERITY_HIGH);
  EXPECT_EQ(alert.scan_id(), 9U);
  ASSERT_EQ(alert.affected_processes_size(), 1);
  EXPECT_EQ(alert.affected_processes(0), 42U);
  EXPECT_EQ(alert.process_count(), 1U);
  ASSERT_EQ(alert.data_size(), 5);
  EXPECT_EQ(alert.data(1).column(), "name");
  EXPECT_EQ(alert.data(1).value().text(), "sh");
  EXPECT_EQ(alert.rule_execution_time_us(), 77U);
  EXPECT_EQ(alert.dedupe_key(), "web-shell|sh|/bin/sh|33");
  EXPECT_EQ(alert.process_uid(), "61616161-6161-6161-6161-616161616161");
  EXPECT_EQ(alert.rule_generation(), 3U);
  EXPECT_TRUE(alert.completeness().complete());
  EXPECT_EQ(alert.rule_author(), "Ann");
  EXPECT_EQ(alert.rule_license(), "DRL-1.1");
  EXPECT_EQ(alert.rule_source(), "https://rules.example/a.yml");
  EXPECT_EQ(alert.correlation_id().size(), 36U);
  EXPECT_EQ(alert.count(), 1U);
  EXPECT_EQ(alert.first_seen_ms(), 1'000);
  EXPECT_EQ(alert.last_seen_ms(), 1'000);
  ASSERT_EQ(alert.ancestry_size(), 2);
  EXPECT_EQ(alert.ancestry(0).name(), "nginx");
  EXPECT_EQ(alert.ancestry(1).executable_path(), "/bin/init");
  ASSERT_EQ(alert.tags_size(), 1);
  EXPECT_EQ(alert.category(), "execution");
  EXPECT_EQ(alert.host(), "box-1");
  EXPECT_EQ(alert.state(), pb::ALERT_OPEN);
  EXPECT_EQ(alert.sequence(), 0U);
}

TEST_F(RaiseTest, EveryAlertHasItsOwnIdAndTheRunsCorrelation) {
  matches.columns = {"pid"};
  row({integer(42)});
  row({integer(10)});
  const auto alerts = run();
  ASSERT_EQ(alerts.size(), 2U);
  EXPECT_NE(alerts[0].id(), alerts[1].id());
  EXPECT_EQ(alerts[0].correlation_id(), alerts[1].correlation_id());
  context.correlation_id = "given";
  EXPECT_EQ(run()[0].correlation_id(), "given");
}

TEST_F(RaiseTest, ARuleThatSelectsOnlyThePidStillTellsProcessesApart) {
  matches.columns = {"pid"};
  row({integer(42)});
  row({integer(10)});
  row({integer(777)});  // Gone from the snapshot.
  const auto alerts = run();
  ASSERT_EQ(alerts.size(), 3U);
  EXPECT_EQ(alerts[0].dedupe_key(), "web-shell|sh|/bin/sh|33");
  EXPECT_EQ(alerts[0].title(), "Shell from web server: sh (pid 42)");
  EXPECT_EQ(alerts[0].process_uid(), "61616161-6161-6161-6161-616161616161");
  EXPECT_EQ(alerts[1].dedupe_key(), "web-shell|nginx|/bin/nginx|33");
  EXPECT_EQ(alerts[2].dedupe_key(), "web-shell||||777");
  EXPECT_EQ(alerts[2].title(), "Shell from web server (pid 777)");
  EXPECT_EQ(alerts[2].ancestry_size(), 0);
  EXPECT_TRUE(alerts[2].completeness().complete()) << "a process that ended is no defect of the data";
}

TEST_F(RaiseTest, AReusedPidIsAnotherProcess) {
  matches.columns = {"pid", "name", "process_uid", "start_time_ms"};
  row({integer(42), text("old"), text("other-uid"), integer(20)});
  row({integer(42), text("old"), pb::Value(), integer(19)});
  row({integer(42), text("same"), pb::Value(), integer(20)});
  const auto alerts = run();
  ASSERT_EQ(alerts.size(), 3U);
  EXPECT_EQ(alerts[0].ancestry_size(), 0);
  EXPECT_EQ(alerts[0].process_uid(), "other-uid");
  EXPECT_EQ(alerts[0].dedupe_key(), "web-shell|old||") << "nothing is borrowed from the process that has the pid now";
  EXPECT_EQ(alerts[1].ancestry_size(), 0);
  EXPECT_EQ(alerts[1].process_uid(), "");
  EXPECT_EQ(alerts[2].ancestry_size(), 2);
}

TEST_F(RaiseTest, DedupKeysOfTheRuleReplaceTheDefault) {
  rule.dedup.keys = {"cwd", "pid"};
  matches.columns = {"pid", "cwd"};
  row({integer(42), text("/tmp")});
  row({integer(42), pb::Value()});
  auto alerts = run();
  EXPECT_EQ(alerts[0].dedupe_key(), "web-shell|/tmp|42");
  EXPECT_EQ(alerts[1].dedupe_key(), "web-shell||42");
  rule.dedup.keys = {"not selected"};
  EXPECT_EQ(run()[0].dedupe_key(), "web-shell|sh|/bin/sh|33") << "keys that do not exist would fold everything";
}

TEST_F(RaiseTest, AggregatesAreKeyedByTheirTexts) {
  matches.columns = {"user_name_x", "n"};
  row({text("alice"), integer(12)});
  row({text("bob"), integer(12)});
  row({text("alice"), integer(13)});
  const auto alerts = run();
  EXPECT_EQ(alerts[0].dedupe_key(), "web-shell|alice|");
  EXPECT_NE(alerts[1].dedupe_key(), alerts[0].dedupe_key());
  EXPECT_EQ(alerts[2].dedupe_key(), alerts[0].dedupe_key()) << "a count that moves is not news";
  EXPECT_EQ(alerts[0].process_count(), 0U);
  EXPECT_EQ(alerts[0].affected_processes_size(), 0);
  EXPECT_EQ(alerts[0].title(), "Shell from web server");
}

TEST_F(RaiseTest, PidsThatAreNoneAreIgnored) {
  matches.columns = {"pid"};
  row({integer(0)});
  row({integer(-1)});
  row({integer(1LL << 32)});
  row({text("42")});
  row({pb::Value()});
  for (const pb::Alert& alert : run()) {
    EXPECT_EQ(alert.process_count(), 0U);
    EXPECT_EQ(alert.title(), "Shell from web server");
  }
}

TEST_F(RaiseTest, HostileBytesCannotBreakTheMessage) {
  matches.columns = {"pid", "name", "col\xff\n", "process_uid"};
  row({integer(777), text("\xff\x1b[31m\n"), text("\xff"), text("\xff")});
  const pb::Alert alert = run_one();
  EXPECT_EQ(alert.title(), "Shell from web server: \\xff\\x1b[31m\\x0a (pid 777)");
  EXPECT_EQ(alert.data(2).column(), "col\\xff\\x0a");
  EXPECT_EQ(alert.data(1).value().text(), "\xff\x1b[31m\n") << "data keeps the bytes";
  pb::Alert copy;
  ASSERT_TRUE(copy.ParseFromString(alert.SerializeAsString())) << "strings must be valid UTF-8 to be read back";
}

TEST_F(RaiseTest, LargeValuesAreCutAndSaySo) {
  matches.columns = {"pid", "command_line"};
  row({integer(42), text(std::string(kMaxValueBytes + 5, 'a'))});
  const pb::Alert alert = run_one();
  EXPECT_EQ(alert.data(1).value().text(), std::string(kMaxValueBytes, 'a') + "...(5 bytes more)");
}

TEST_F(RaiseTest, ManyLargeValuesAreBoundedTogether) {
  std::vector<pb::Value> values;
  for (int i = 0; i < 200; ++i) {
    matches.columns.push_back("c" + std::to_string(i));
    values.push_back(text(std::string(60'000, 'a')));
  }
  row(std::move(values));
  EXPECT_LT(run_one().ByteSizeLong(), kMaxDataBytes + 20'000);
}

TEST_F(RaiseTest, AFloodBecomesASummary) {
  context.max_alerts_per_run = 3;
  matches.columns = {"pid", "name"};
  for (int i = 0; i < 10; ++i) row({integer(1'000 + i / 2), text("x")});
  const auto alerts = run();
  ASSERT_EQ(alerts.size(), 4U);
  const pb::Alert& summary = alerts[3];
  EXPECT_EQ(summary.title(), "Shell from web server: 7 more matches");
  EXPECT_EQ(summary.count(), 7U);
  EXPECT_EQ(summary.process_count(), 4U) << "distinct processes";
  EXPECT_EQ(summary.affected_processes_size(), 4);
  EXPECT_NE(summary.description().find("10 rows in one run. Only the first 3"), std::string::npos);
  EXPECT_FALSE(summary.completeness().complete());
  EXPECT_EQ(summary.completeness().reasons(0).reason(), "ResultCapped");
  EXPECT_NE(summary.dedupe_key(), alerts[0].dedupe_key());
  EXPECT_EQ(summary.correlation_id(), alerts[0].correlation_id());
  EXPECT_TRUE(alerts[2].completeness().complete());
}

TEST_F(RaiseTest, ExactlyTheCapNeedsNoSummary) {
  context.max_alerts_per_run = 3;
  matches.columns = {"pid"};
  for (int i = 0; i < 3; ++i) row({integer(1'000 + i)});
  EXPECT_EQ(run().size(), 3U);
}

TEST_F(RaiseTest, ASummaryNamesABoundedNumberOfProcesses) {
  context.max_alerts_per_run = 0;
  matches.columns = {"pid"};
  for (int i = 1; i <= 5'000; ++i) row({integer(i)});
  const pb::Alert summary = run_one();
  EXPECT_EQ(summary.count(), 5'000U);
  EXPECT_EQ(summary.process_count(), 5'000U);
  EXPECT_EQ(summary.affected_processes_size(), static_cast<int>(kMaxAffected));
}

TEST_F(RaiseTest, ATruncatedResultIsDegraded) {
  matches.columns = {"pid"};
  matches.truncated = true;
  row({integer(42)});
  row({integer(10)});
  context.max_alerts_per_run = 1;
  const auto alerts = run();
  ASSERT_EQ(alerts.size(), 2U);
  EXPECT_FALSE(alerts[0].completeness().complete());
  EXPECT_EQ(alerts[0].completeness().reasons(0).reason(), "ResultCapped");
  EXPECT_EQ(alerts[1].title(), "Shell from web server: at least 1 more matches");
}

TEST_F(RaiseTest, CompletenessTravelsAndHasNoDefault) {
  matches.columns = {"pid"};
  row({integer(42)});
  context.completeness.set_complete(false);
  context.completeness.add_reasons()->set_reason("EventsShed");
  EXPECT_EQ(run_one().completeness().reasons(0).reason(), "EventsShed");
  context.completeness.Clear();
  const pb::Alert alert = run_one();
  EXPECT_FALSE(alert.completeness().complete());
  EXPECT_EQ(alert.completeness().reasons_size(), 1);
}

TEST_F(RaiseTest, WithoutAScanTimeItIsNow) {
  matches.columns = {"pid"};
  row({integer(42)});
  context.scan_id.reset();
  context.scan_time_ms = 0;
  const pb::Alert alert = run_one();
  EXPECT_FALSE(alert.has_scan_id());
  EXPECT_EQ(alert.first_seen_ms(), clock.now_ms);
}

// A session runs one statement at a time: inside another one the ancestors cannot be looked up.
TEST_F(RaiseTest, AnAlertWithoutItsAncestorsSaysSo) {
  matches.columns = {"pid", "name"};
  row({integer(42), text("sh")});
  std::vector<pb::Alert> alerts;
  const auto outer = session->run(
      "SELECT 1", {}, mirror::kRuleBudget, [](std::span<const std::string>) {},
      [&](std::span<const mirror::Value>) {
        alerts = run();
        return false;
      });
  ASSERT_TRUE(outer) << outer.error().message();
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].title(), "Shell from web server: sh (pid 42)");
  EXPECT_FALSE(alerts[0].completeness().complete());
  ASSERT_EQ(alerts[0].completeness().reasons_size(), 1);
  EXPECT_EQ(alerts[0].completeness().reasons(0).reason(), "ExecutionError");
  EXPECT_TRUE(alerts[0].completeness().reasons(0).detail().starts_with("ancestors are missing: look up process"));
}

TEST_F(RaiseTest, RowsShorterThanTheirColumnsDoNotMatter) {
  matches.columns = {"name", "pid"};
  row({text("x")});
  const pb::Alert alert = run_one();
  EXPECT_EQ(alert.data_size(), 1);
}

}  // namespace
}  // namespace de::alert
