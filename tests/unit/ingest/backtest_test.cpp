// A rule over what is stored says what it would have said then.
#include "ingest/backtest.h"

#include "detect/rule_book.h"
#include "ingest/stored_rows.h"
#include "intake_fixture.h"
#include "mirror/as_of.h"

namespace de::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BacktestTest : public IntakeTest {
 protected:
  // Exec events of `names`, a second apart, from kNoon on.
  void put_events(const std::vector<std::string>& names) {
    pb::EventBatch batch;
    for (const std::string& name : names) {
      pb::ProcessEvent& event = *batch.add_events();
      event.set_sequence(++sequence_);
      event.set_event_type(pb::EVENT_TYPE_EXEC);
      event.set_event_time_ms(kNoon + static_cast<std::int64_t>(sequence_ - 1) * 1'000);
      *event.mutable_process() = process(static_cast<std::uint32_t>(sequence_));
      event.mutable_process()->set_name(name);
    }
    const auto outcome = store_->append_events("procmond", "spool", batch);
    ASSERT_TRUE(outcome) << outcome.error().message();
  }
  // Scans half a minute apart, each with these names under the pids 1, 2, ...
  void put_scans(const std::vector<std::vector<std::string>>& scans) {
    for (const auto& names : scans) {
      const std::int64_t time_ms = kNoon + static_cast<std::int64_t>(scans_) * 30'000;
      ASSERT_TRUE(store_->begin_scan({++scans_, time_ms, "procmond", {}}));
      std::uint32_t pid = 0;
      for (const std::string& name : names) {
        pb::ProcessRecord record = process(++pid);
        record.set_name(name);
        ASSERT_TRUE(store_->add(record, record.SerializeAsString()));
      }
      ASSERT_TRUE(store_->finish_scan({}));
    }
  }
  Result<Backtest> test(const std::string& text) {
    auto rules = detect::parse_rule_text("r.yaml", text);
    EXPECT_TRUE(rules) << rules.error().message();
    auto sessions = detect::CheckSessions::create(clock_);
    const auto checked = detect::check_rule(*sessions, rules->front());
    EXPECT_TRUE(checked) << checked.error().message();
    const StoredRows stored(*store_);
    return backtest(*store_, stored, rules->front(), options_, clock_);
  }

  BacktestOptions options_ = {kNoon, kNoon + 86'400'000, {1'000, 32 << 20, 1'000, 4 << 20}, 60'000, 300, nullptr};
  std::uint64_t sequence_ = 0;
  std::uint64_t scans_ = 0;
};

TEST_F(BacktestTest, OverEventsThatWere) {
  std::vector<std::string> names(2'000, "usual");
  for (const std::size_t at : {7UL, 600UL, 601UL, 1'999UL}) names[at] = "odd";
  put_events(names);
  const auto found = test(
      "id: a\ndedup: {keys: [name], seconds: 300}\nsql: SELECT pid, name FROM processes.events WHERE name = 'odd'\n");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->events, 2'000U);
  EXPECT_EQ(found->snapshots, 0U);
  EXPECT_EQ(found->matches, 4U);
  EXPECT_EQ(found->alerts, 3U) << "601 is folded into 600";
  EXPECT_EQ(found->first_ms, kNoon + 7'000);
  EXPECT_EQ(found->last_ms, kNoon + 1'999'000);
  EXPECT_EQ(found->oldest_ms, kNoon);
  ASSERT_EQ(found->samples.size(), 1U);
  EXPECT_EQ(found->samples[0].alert.data(0).value().integer(), 8);
  EXPECT_TRUE(found->reasons.empty());
}

// Most events are left out before they are put together: that must change no answer.
TEST_F(BacktestTest, FindsWhatALookAtEveryEventFinds) {
  const std::vector<std::string> words = {"nmap", "NMAP", "/opt/tool", "-sS -p 22", "curl", "x", "", "K\xC3\xA9y"};
  pb::EventBatch batch;
  for (std::size_t i = 0; i < 3'000; ++i) {
    pb::ProcessEvent& event = *batch.add_events();
    event.set_sequence(++sequence_);
    event.set_event_type(i % 3 == 0 ? pb::EVENT_TYPE_EXIT : pb::EVENT_TYPE_EXEC);
    event.set_event_time_ms(kNoon + static_cast<std::int64_t>(i));
    pb::ProcessRecord& record = *event.mutable_process();
    record = process(static_cast<std::uint32_t>(i));
    const auto word = [&](std::size_t n) { return words[(i * 7 + n * n + i / 11) % words.size()]; };
    if (i % 5 != 0) record.set_name(word(1));
    if (i % 4 == 0) record.set_executable_path("/usr/bin/" + word(2));
    for (std::size_t n = 0; n < i % 4; ++n) record.add_command_line(word(n + 3));
    if (i % 9 == 0) event.set_parent_command_line("sh -c " + word(4));
    if (i % 50 == 0) event.clear_process();
  }
  ASSERT_TRUE(store_->append_events("procmond", "spool", batch));
  const StoredRows stored(*store_);
  auto session = std::move(*mirror::Session::create(mirror::Origin::Rule, clock_, &stored));
  options_.budget.rows = 100'000;
  for (const std::string where :
       {"name = 'nmap'", "lower(name) = 'nmap'", "name IN ('nmap', 'curl')", "command_line LIKE '%nmap%'",
        "command_line LIKE '%-p 22 curl%'", "command_line LIKE '%nmap /opt%'", "executable_path GLOB '*/opt/*'",
        "basename(executable_path) = 'tool'", "command_line REGEXP 'nm+ap'", "command_line REGEXP '(?i)k.y'",
        "parent_command_line LIKE '%curl%' OR name = 'curl'", "NOT coalesce(name LIKE '%curl%', 0)",
        "name = 'nmap' AND command_line LIKE '%curl%'", "argv LIKE '%\"nmap\",\"curl\"%'",
        "instr(command_line, 'sS') > 0", "name LIKE '%key%'", "name = ''", "name IS NULL",
        "event_type = 'exit' AND name = 'curl'"}) {
    const std::string sql = "SELECT sequence FROM processes.events WHERE " + where;
    std::uint64_t expected = 0;
    const auto outcome = session->run(
        sql, {}, options_.budget, [](auto) {}, [&](auto) { return ++expected > 0; });
    ASSERT_TRUE(outcome) << where << ": " << outcome.error().message();
    const auto found = test("id: a\nsql: >-\n  " + sql + "\n");
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->matches, expected) << where;
    EXPECT_EQ(found->events, 3'000U) << where;
  }
}

TEST_F(BacktestTest, OnlyTheTimeThatIsAskedFor) {
  put_events(std::vector<std::string>(100, "odd"));
  options_.from_ms = kNoon + 10'000;
  options_.to_ms = kNoon + 20'000;
  const auto found = test("id: a\ndedup: {keys: [pid]}\nsql: SELECT pid FROM processes.events WHERE name = 'odd'\n");
  EXPECT_EQ(found->matches, 10U);
  EXPECT_EQ(found->alerts, 10U);
  EXPECT_EQ(found->samples.size(), Backtest::kSamples);
  EXPECT_EQ(found->samples.front().time_ms, kNoon + 10'000);
}

TEST_F(BacktestTest, OverSnapshotsAsTheyWere) {
  put_scans({{"a", "b"}, {"a", "odd"}, {"a", "odd"}, {"a"}, {"odd", "odd"}});
  const auto found = test(
      "id: a\nsql: SELECT p.pid, p.name, count(*) AS n FROM processes AS p WHERE p.name = 'odd' GROUP BY p.name\n");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->snapshots, 5U);
  EXPECT_EQ(found->matches, 3U);
  EXPECT_EQ(found->alerts, 1U);
  EXPECT_EQ(found->first_ms, kNoon + 30'000);
  EXPECT_EQ(found->last_ms, kNoon + 120'000);
}

// As the detector has it: standing_test.cpp.
TEST_F(BacktestTest, ACountThatStandsIsOneAlert) {
  put_scans({{"a", "a"}, {"a", "a", "a"}, {"a", "b"}, {"a", "a"}});
  const auto found = test(
      "id: a\ndedup: {seconds: 0}\nsql: SELECT name, count(*) AS n FROM processes GROUP BY name HAVING count(*) > 1\n");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->snapshots, 4U);
  EXPECT_EQ(found->matches, 3U);
  EXPECT_EQ(found->alerts, 2U) << "it ended in the third snapshot";
}

TEST_F(BacktestTest, ARuleOfBothLooksAtBoth) {
  put_events({"odd", "usual"});
  put_scans({{"odd"}, {"usual"}});
  const auto found = test("id: a\nsql: SELECT pid, name FROM processes WHERE name = 'odd'\n");
  EXPECT_EQ(found->events, 2U);
  EXPECT_EQ(found->snapshots, 2U);
  EXPECT_EQ(found->matches, 2U);
  EXPECT_EQ(found->alerts, 1U) << "the same process, seen twice";
}

TEST_F(BacktestTest, LookingBackEndsWhereTheSnapshotWas) {
  put_events({"odd", "odd", "odd"});  // At 0, 1 and 2 s.
  put_scans({{"a"}, {"a"}, {"a"}});   // At 0, 30 and 60 s.
  const auto found = test(
      "id: a\ndedup: {keys: [n]}\nwindow: 45s\nsql: SELECT count(*) AS n FROM processes.events WHERE name = 'odd' "
      "HAVING count(*) > 0\n");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->matches, 2U) << "one event by 0 s, three by 30 s, none within 45 s of 60 s";
  ASSERT_EQ(found->samples.size(), 2U) << found->alerts;
  EXPECT_EQ(found->samples[0].alert.data(0).value().integer(), 1);
}

// Snapshots say when the rule would have looked, also those in which nobody was seen.
TEST_F(BacktestTest, LookingBackAtEventsAloneNeedsNoProcess) {
  put_events(std::vector<std::string>(100, "odd"));
  put_scans({{}, {}, {}, {}});
  const auto found = test(
      "id: a\nwindow: 30s\ndedup: {keys: [name], seconds: 0}\nsql: SELECT name, count(*) AS n FROM processes.events "
      "GROUP BY name HAVING n >= 30\n");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->snapshots, 4U);
  EXPECT_EQ(found->matches, 3U) << "the first look saw one event";
  EXPECT_EQ(found->first_ms, kNoon + 30'000);
  EXPECT_TRUE(found->reasons.empty());
}

// The clock on the wall says another day.
TEST_F(BacktestTest, NowIsThen) {
  put_events({"odd", "usual", "odd"});
  put_scans({{"usual"}, {"odd"}, {"odd", "odd"}});
  const std::string fresh = "(unixepoch() - 20) * 1000";
  const auto snapshots = test(
      "id: a\non: snapshot\nsql: SELECT pid, name FROM processes WHERE name = 'odd' AND "
      "collection_time_ms > " +
      fresh + "\n");
  ASSERT_TRUE(snapshots) << snapshots.error().message();
  EXPECT_EQ(snapshots->matches, 3U);
  const auto events = test(
      "id: a\non: snapshot\nwindow: 1h\nsql: SELECT pid, name FROM processes.events WHERE name = "
      "'odd' AND event_time_ms > " +
      fresh + "\n");
  ASSERT_TRUE(events) << events.error().message();
  EXPECT_EQ(events->matches, 1U) << "the first snapshot is of the time of the first event, the others come too late";
  EXPECT_EQ(mirror::as_of_ms(), std::nullopt) << "and afterwards it is now again";
}

TEST_F(BacktestTest, NothingStoredIsNoAnswer) {
  const auto found = test("id: a\nsql: SELECT pid FROM processes WHERE name = 'odd'\n");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->matches, 0U);
  ASSERT_EQ(found->reasons.size(), 1U);
  EXPECT_THAT(found->reasons[0].detail(), HasSubstr("nothing is stored of that time"));
}

TEST_F(BacktestTest, WhatIsMissingIsSaid) {
  put_events({"odd"});
  ASSERT_TRUE(store_->append_gap("procmond", "spool", gap(2, 5).gap()));
  options_.from_ms = kNoon - 1'000;
  const auto found = test("id: a\nsql: SELECT pid FROM processes.events WHERE name = 'odd'\n");
  ASSERT_EQ(found->reasons.size(), 1U);
  EXPECT_EQ(found->reasons[0].reason(), "EventsShed");
}

TEST_F(BacktestTest, OutOfTimeIsSaidWithWhereItWas) {
  put_events(std::vector<std::string>(100, "odd"));
  options_.time_ms = 0;
  const auto found = test("id: a\nsql: SELECT pid FROM processes.events WHERE name = 'odd'\n");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->matches, 0U);
  ASSERT_FALSE(found->reasons.empty());
  EXPECT_THAT(found->reasons[0].detail(), HasSubstr("events were looked at until 2026-01-02T12:00:00.000Z"));
  std::vector<std::string> names;
  for (int i = 0; i < 9'000; ++i) names.push_back("usual-" + std::to_string(i));
  put_events(names);
  const auto never = test("id: a\nsql: SELECT pid FROM processes.events WHERE name = 'nobody-has-it'\n");
  ASSERT_FALSE(never->reasons.empty()) << "also when no event is ever put together";
}

TEST_F(BacktestTest, EndsWhenNobodyWaits) {
  std::vector<std::string> names = {"odd"};
  for (int i = 0; i < 9'000; ++i) names.push_back("usual-" + std::to_string(i));
  put_events(names);
  const std::atomic<bool> unwanted = true;
  options_.is_unwanted = &unwanted;
  for (const std::string name : {"odd", "nobody-has-it"}) {
    const auto found = test("id: a\nsql: SELECT pid FROM processes.events WHERE name = '" + name + "'\n");
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code(), Errc::Cancelled);
  }
}

TEST_F(BacktestTest, MoreMatchesThanCanBeToldApart) {
  options_.budget.rows = 100'000;
  for (int i = 0; i < 60; ++i) put_events(std::vector<std::string>(1'000, "odd"));
  const auto found =
      test("id: a\ndedup: {keys: [pid], seconds: 0}\nsql: SELECT pid FROM processes.events WHERE name = 'odd'\n");
  EXPECT_EQ(found->matches, 60'000U);
  EXPECT_TRUE(found->alerts_at_least);
  EXPECT_EQ(found->alerts, Backtest::kMaxFolded);
}

}  // namespace
}  // namespace de::ingest
