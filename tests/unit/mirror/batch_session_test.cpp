// Statements over a handful of events in memory: which may be asked that way, and that the answers are right.
#include "mirror/batch_session.h"

#include <gmock/gmock.h>

#include "fixture.h"

namespace de::mirror {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BatchTest : public testing::Test {
 protected:
  BatchTest() : session_(std::move(*BatchSession::create(system_clock(), {}))) {
    add(pb::EVENT_TYPE_START, 10, "bash", "/usr/bin/bash", {"bash", "-c", "id"});
    add(pb::EVENT_TYPE_EXEC, 10, "curl", "/usr/bin/curl", {"curl", "http://x/"});
    add(pb::EVENT_TYPE_EXIT, 11, "xmrig", "/tmp/xmrig", {"xmrig"});
    add(pb::EVENT_TYPE_SUSPICIOUS, 12, "ls", "/tmp/ls", {});
    load();
  }

  void add(pb::EventType type, std::uint32_t pid, const std::string& name, const std::string& path,
           const std::vector<std::string>& arguments) {
    pb::ProcessEvent& event = events_.emplace_back();
    event.set_event_type(type);
    event.set_event_time_ms(1'000 + static_cast<std::int64_t>(events_.size()));
    event.set_sequence(events_.size());
    pb::ProcessRecord& process = *event.mutable_process();
    process.set_pid(pid);
    process.set_name(name);
    process.set_executable_path(path);
    for (const std::string& argument : arguments) process.add_command_line(argument);
  }
  void load() {
    rows_.clear();
    for (const pb::ProcessEvent& event : events_) rows_.push_back({"procmond", &event});
    session_->load(rows_);
  }

  Shape shape(std::string_view sql) {
    const auto shape = session_->shape(sql);
    EXPECT_TRUE(shape) << sql << ": " << shape.error().message();
    return shape ? *shape : Shape();
  }
  // Values joined by '|', and behind a '#' the event they are about.
  std::vector<std::string> run(std::string_view sql) {
    const auto number = session_->add(sql);
    EXPECT_TRUE(number) << sql << ": " << number.error().message();
    if (!number) return {};
    load();
    return run(*number);
  }
  std::vector<std::string> run(std::size_t number) {
    std::vector<std::string> out;
    const auto outcome = session_->run(
        number, kRuleBudget, [](auto) {},
        [&](std::span<const Value> row, std::size_t event) {
          std::string line;
          for (const Value& value : row) line += (line.empty() ? "" : "|") + show(value);
          out.push_back(line + "#" + std::to_string(event));
          return true;
        });
    EXPECT_TRUE(outcome) << outcome.error().message();
    return out;
  }

  std::unique_ptr<BatchSession> session_;
  std::vector<pb::ProcessEvent> events_;
  std::vector<EventRow> rows_;
};

TEST_F(BatchTest, RowWiseIsWhatOneRowAnswers) {
  for (const char* sql : {
           "SELECT pid FROM processes",
           "SELECT pid FROM processes WHERE name = 'x' AND command_line LIKE '%y%'",
           "SELECT pid FROM processes.snapshots WHERE name IN ('a', 'b', 'c') OR pid = 5",
           "SELECT pid FROM (SELECT * FROM processes WHERE name = 'x') WHERE pid > 5",
           "WITH p AS (SELECT * FROM processes) SELECT pid FROM p WHERE euid = 0",
           "SELECT pid, CASE WHEN uid = 0 THEN 'root' ELSE 'user' END FROM processes WHERE coalesce(name, '') <> ''",
           "SELECT DISTINCT name FROM processes ORDER BY name",
           "SELECT pid FROM processes.events WHERE event_type = 'exec'",
           "SELECT pid FROM events WHERE event_time_ms > (unixepoch('now') - 60) * 1000",
       })
    EXPECT_TRUE(shape(sql).row_wise) << sql << ": " << shape(sql).why_not;
  EXPECT_TRUE(shape("SELECT pid FROM processes").reads_processes);
  EXPECT_FALSE(shape("SELECT pid FROM processes").reads_events);
  EXPECT_TRUE(shape("SELECT pid FROM events").reads_events);
}

TEST_F(BatchTest, WhatCombinesRowsIsNot) {
  for (const char* sql : {
           "SELECT c.pid FROM processes AS c JOIN processes AS p ON p.pid = c.ppid",
           "SELECT p.pid FROM processes AS p LEFT JOIN processes AS q ON q.pid = p.ppid WHERE q.pid IS NULL",
           "SELECT count(*) FROM processes",
           "SELECT max(pid), name FROM processes",
           "SELECT name FROM processes GROUP BY name HAVING count(*) > 3",
           "SELECT pid FROM processes LIMIT 1",
           "SELECT pid FROM processes ORDER BY pid LIMIT 3 OFFSET 1",
           "SELECT pid, lag(pid) OVER (ORDER BY pid) FROM processes",
           "SELECT pid, row_number() OVER () FROM processes",
           "SELECT pid, count(*) OVER () FROM processes",
           "SELECT pid FROM processes WHERE ppid IN (SELECT pid FROM processes)",
           "SELECT pid FROM processes WHERE pid = (SELECT 7)",
           "SELECT 1 WHERE EXISTS (SELECT 1 FROM processes WHERE name = 'x')",
           "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM processes WHERE name = 'x')",
           "SELECT 1 WHERE 5 NOT IN (SELECT pid FROM processes)",
           "SELECT 1 AS x EXCEPT SELECT pid FROM processes",
           "SELECT pid FROM processes WHERE name = 'a' UNION ALL SELECT pid FROM processes WHERE name = 'b'",
           "SELECT o.n FROM (SELECT 1 AS n) AS o LEFT JOIN processes AS p ON p.pid = 7 WHERE p.pid IS NULL",
           "WITH RECURSIVE c(n) AS (SELECT pid FROM processes UNION SELECT n - 1 FROM c WHERE n > 0) SELECT n FROM c",
           "SELECT e.pid FROM processes.events AS e JOIN processes AS p ON p.pid = e.pid",
           "SELECT 1",
       }) {
    EXPECT_FALSE(shape(sql).row_wise) << sql;
    EXPECT_NE(shape(sql).why_not, "") << sql;
    EXPECT_FALSE(session_->add(sql)) << sql;
  }
}

TEST_F(BatchTest, TheGateIsTheSame) {
  for (const char* sql : {"DELETE FROM processes", "SELECT * FROM sqlite_master", "SELECT printf('x') FROM processes",
                          "SELECT 1; SELECT 2", "SELECT * FROM de_batch", "PRAGMA user_version",
                          "SELECT nosuch FROM processes", "EXPLAIN SELECT 1"})
    EXPECT_FALSE(session_->shape(sql)) << sql;
  const auto parameter = session_->add("SELECT pid FROM processes WHERE name = ?");
  ASSERT_FALSE(parameter);
  EXPECT_THAT(parameter.error().message(), HasSubstr("no parameters"));
}

TEST_F(BatchTest, ProcessesAreThoseThatDidNotEnd) {
  EXPECT_THAT(run("SELECT pid, name, command_line FROM processes"),
              ElementsAre("10|bash|bash -c id#0", "10|curl|curl http://x/#1", "12|ls|NULL#3"));
  EXPECT_THAT(run("SELECT pid, scan_id, collection_time_ms FROM processes.snapshots WHERE pid = 12"),
              ElementsAre("12|NULL|1004#3"));
  EXPECT_THAT(run("SELECT pid, event_type, sequence, collector FROM processes.events WHERE name = 'xmrig'"),
              ElementsAre("11|exit|3|procmond#2"));
}

TEST_F(BatchTest, OrderAndDistinctStillKnowTheirEvent) {
  EXPECT_THAT(run("SELECT name FROM events ORDER BY name DESC"), ElementsAre("bash#0", "curl#1", "xmrig#2", "ls#3"));
  EXPECT_THAT(run("SELECT DISTINCT pid FROM processes WHERE name IN ('curl', 'ls')"), ElementsAre("10#1", "12#3"));
}

TEST_F(BatchTest, StatementsAreUsedAgainAndAgain) {
  const auto number = session_->add("SELECT name FROM processes WHERE command_line REGEXP '^c[u]rl'");
  ASSERT_TRUE(number);
  for (int i = 0; i < 100; ++i) {
    load();
    EXPECT_THAT(run(*number), ElementsAre("curl#1"));
    rows_.resize(1);
    session_->load(rows_);
    EXPECT_THAT(run(*number), ElementsAre());
  }
  session_->clear();
  EXPECT_THAT(run("SELECT pid FROM processes WHERE pid = 12"), ElementsAre("12#3"));
}

TEST_F(BatchTest, TextsThatAreOddAreGivenAsTheyAre) {
  events_.clear();
  add(pb::EVENT_TYPE_START, 1, std::string("a\0b", 3), "", {std::string("x\0y", 3), ""});
  add(pb::EVENT_TYPE_START, 2, "\xff\xfe", std::string(70'000, 'p'), {std::string(70'000, 'q')});
  load();
  EXPECT_THAT(run("SELECT hex(name), hex(command_line), executable_path FROM processes WHERE pid = 1"),
              ElementsAre("610062|78007920|#0"));
  EXPECT_THAT(run("SELECT hex(name), length(executable_path), length(command_line) FROM processes WHERE pid = 2"),
              ElementsAre("FFFE|65536|65536#1"));
}

TEST_F(BatchTest, BudgetsHold) {
  const auto every = session_->add("SELECT pid FROM events");
  const auto sorted = session_->add("SELECT pid FROM events ORDER BY pid");
  const auto large =
      session_->add("SELECT replace(hex(name), 'A', hex(hex(hex(name)))) || executable_path FROM events");
  ASSERT_TRUE(every && sorted && large);
  load();
  const auto rows = [&](std::size_t number, std::size_t most) {
    return session_->run(
        number, {1'000, 1 << 20, most, 1 << 20}, [](auto) {}, [](auto, auto) { return true; });
  };
  EXPECT_TRUE(rows(*every, 2)->truncated);
  EXPECT_EQ(rows(*every, 2)->rows, 2U);
  EXPECT_FALSE(rows(*every, 4)->truncated);
  EXPECT_TRUE(rows(*sorted, 2)->truncated);
  EXPECT_FALSE(rows(*sorted, 4)->truncated);
  const auto late = session_->run(
      *every, {0, 1 << 20, 10, 1 << 20}, [](auto) {}, [](auto, auto) { return true; });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Errc::Timeout);
  const auto small = session_->run(
      *large, {1'000, 64, 10, 1 << 20}, [](auto) {}, [](auto, auto) { return true; });
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().code(), Errc::Exhausted);
  EXPECT_FALSE(rows(*every, 4)->truncated);  // An overrun leaves nothing behind.
}

}  // namespace
}  // namespace de::mirror
