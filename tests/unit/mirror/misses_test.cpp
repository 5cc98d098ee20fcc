// A statement that had nothing to say about an event is not asked about others like it, and that changes no answer.
#include "mirror/misses.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "daemoneye/schema/event_columns.h"
#include "fixture.h"
#include "mirror/batch_session.h"

namespace de::mirror {
namespace {

using testing::ElementsAre;

pb::ProcessEvent program(const std::string& name, const std::string& line, std::uint32_t pid) {
  pb::ProcessEvent event;
  event.set_event_type(pb::EVENT_TYPE_EXEC);
  event.set_event_time_ms(1'000 + pid);
  event.set_sequence(pid);
  pb::ProcessRecord& process = *event.mutable_process();
  process.set_pid(pid);
  process.set_name(name);
  process.set_executable_path("/usr/bin/" + name);
  if (!line.empty()) process.add_command_line(line);
  return event;
}

std::vector<EventRow> rows_of(const std::vector<pb::ProcessEvent>& events) {
  std::vector<EventRow> rows;
  for (const pb::ProcessEvent& event : events) rows.push_back({"procmond", &event});
  return rows;
}

// The places of the events that `number` has something to say about.
std::vector<std::size_t> matches(BatchSession& session, std::size_t number) {
  std::vector<std::size_t> out;
  const auto outcome = session.run(
      number, kRuleBudget, [](auto) {},
      [&](std::span<const Value>, std::size_t event) {
        out.push_back(event);
        return true;
      });
  EXPECT_TRUE(outcome) << outcome.error().message();
  return out;
}

class MissesTest : public testing::Test {
 protected:
  MissesTest() : session_(std::move(*BatchSession::create(system_clock(), {.prefilter = false}))) {}

  std::size_t add(const std::string& sql) {
    const auto number = session_->add(sql);
    EXPECT_TRUE(number) << sql << ": " << number.error().message();
    return number.value_or(0);
  }
  // Twice, as the columns that count have to be found out first.
  void teach(std::size_t number, const std::vector<pb::ProcessEvent>& events) {
    const auto rows = rows_of(events);
    for (int i = 0; i < 2; ++i) {
      session_->load(rows);
      (void)matches(*session_, number);
    }
  }
  bool is_asked(std::size_t number, const pb::ProcessEvent& event) {
    const std::vector<EventRow> rows = {{"procmond", &event}};
    session_->load(rows);
    const bool asked = session_->events_for(number) > 0;
    session_->load({});
    return asked;
  }

  std::unique_ptr<BatchSession> session_;
};

TEST_F(MissesTest, TheSameProgramIsNotAskedAboutAgain) {
  const std::size_t number = add("SELECT pid FROM processes WHERE name = 'curl'");
  EXPECT_TRUE(is_asked(number, program("ls", "-l", 1)));
  teach(number, {program("ls", "-l", 1)});
  EXPECT_FALSE(is_asked(number, program("ls", "-l", 1)));
  EXPECT_FALSE(is_asked(number, program("ls", "other arguments", 2)));
  EXPECT_TRUE(is_asked(number, program("cat", "-l", 3)));
  EXPECT_TRUE(is_asked(number, program("curl", "-l", 4)));
}

TEST_F(MissesTest, ArgumentsCountWhenTheyWereRead) {
  const std::size_t number = add("SELECT pid FROM processes WHERE name = 'ls' AND command_line LIKE '%secret%'");
  teach(number, {program("ls", "-l", 1), program("cat", "x", 2)});
  EXPECT_FALSE(is_asked(number, program("ls", "-l", 3)));
  EXPECT_TRUE(is_asked(number, program("ls", "-a", 4)));
  EXPECT_FALSE(is_asked(number, program("cat", "secret", 5))) << "its name is enough";
}

TEST_F(MissesTest, NoArgumentsAreNotEmptyOnes) {
  const std::size_t number = add("SELECT pid FROM processes WHERE command_line IS NULL");
  pb::ProcessEvent with_empty_one = program("ls", "", 1);
  with_empty_one.mutable_process()->add_command_line("");
  teach(number, {with_empty_one});
  EXPECT_FALSE(is_asked(number, with_empty_one));
  EXPECT_TRUE(is_asked(number, program("ls", "", 2)));
}

TEST_F(MissesTest, WhatEachProcessHasOfItsOwnIsAlwaysAsked) {
  for (const char* where : {"pid = 7", "event_time_ms < 5", "sequence = 9 AND name = 'ls'", "parent_uid = 'x'",
                            "ancestry LIKE '%x%'", "collector = 'other'", "rowid = 77"}) {
    const std::size_t number = add("SELECT pid FROM events WHERE " + std::string(where));
    teach(number, {program("ls", "-l", 1)});
    EXPECT_TRUE(is_asked(number, program("ls", "-l", 1))) << where;
  }
}

TEST_F(MissesTest, AClockIsAlwaysAsked) {
  for (const char* sql : {"SELECT pid FROM processes WHERE name = strftime('%Y')",
                          "SELECT pid FROM processes WHERE name = CURRENT_TIME"}) {
    const std::size_t number = add(sql);
    teach(number, {program("ls", "-l", 1)});
    EXPECT_TRUE(is_asked(number, program("ls", "-l", 1))) << sql;
  }
}

TEST_F(MissesTest, AMatchIsAMatchAgain) {
  const std::size_t number = add("SELECT DISTINCT name FROM processes WHERE name LIKE 'l%' ORDER BY name");
  const std::vector<pb::ProcessEvent> events = {program("ls", "", 1), program("cat", "", 2), program("ls", "", 3)};
  const auto rows = rows_of(events);
  for (int i = 0; i < 4; ++i) {
    session_->load(rows);
    EXPECT_THAT(matches(*session_, number), ElementsAre(0, 2));
  }
}

TEST_F(MissesTest, ARunThatFailedOrWasCutTeachesNothing) {
  const std::size_t number = add("SELECT pid FROM processes WHERE name = 'curl' OR name = 'wget'");
  const std::vector<pb::ProcessEvent> events = {program("curl", "", 1), program("wget", "", 2), program("ls", "", 3)};
  const auto rows = rows_of(events);
  const auto on_row = [](std::span<const Value>, std::size_t) { return true; };
  for (int i = 0; i < 3; ++i) {
    session_->load(rows);
    EXPECT_TRUE(session_
                    ->run(
                        number, {1'000, 1 << 20, 1, 1 << 20}, [](auto) {}, on_row)
                    ->truncated);
    EXPECT_FALSE(session_->run(
        number, {0, 1 << 20, 9, 1 << 20}, [](auto) {}, on_row));
  }
  EXPECT_TRUE(is_asked(number, events[1]));
  EXPECT_TRUE(is_asked(number, events[2]));
}

TEST_F(MissesTest, MoreProgramsThanCanBeRememberedAreStillAnsweredRight) {
  const std::size_t number = add("SELECT pid FROM processes WHERE name GLOB '*77'");
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < 20'000; i += 100) {
      std::vector<pb::ProcessEvent> events;
      for (std::uint32_t j = 0; j < 100; ++j) events.push_back(program("p" + std::to_string(i + j), "", j));
      const auto rows = rows_of(events);
      session_->load(rows);
      EXPECT_THAT(matches(*session_, number), ElementsAre(77)) << round << " " << i;
    }
  }
}

TEST(Misses, TheColumnsAreTheSchemas) {
  EXPECT_LT(schema::event_columns().size(), kNoEventColumn);
  Misses misses;
  misses.reset(1);
  // A column that is in none of the two lists is taken for the program's; a list with a name that does not exist would
  // not notice that a column was renamed.
  std::set<std::string_view> known;
  for (const auto& column : schema::event_columns()) known.insert(column.name);
  for (const std::string_view name : Misses::kOwn) EXPECT_TRUE(known.contains(name)) << name;
  for (const std::string_view name : Misses::kArguments) EXPECT_TRUE(known.contains(name)) << name;
}

// Random statements and random events: a session that remembers answers like one that never saw anything.
TEST(Misses, ChangeNoAnswer) {
  std::mt19937 random(7);
  const auto pick = [&](const std::vector<std::string>& from) { return from[random() % from.size()]; };
  const std::vector<std::string> names = {"sh", "bash", "curl", "ls", "", "[x]"};
  const std::vector<std::string> lines = {"", "-c id", "-l /tmp", "http://x", "-c"};
  const std::vector<std::string> terms = {"name = 'sh'",
                                          "name IN ('curl', 'ls', 'x')",
                                          "command_line LIKE '%-c%'",
                                          "euid = 0",
                                          "command_line IS NULL",
                                          "executable_path REGEXP '^/usr'",
                                          "pid % 3 = 1",
                                          "length(command_line) > 3",
                                          "argc > 1",
                                          "coalesce(name, '') <> ''",
                                          "event_time_ms > 0",
                                          "on_disk_state = 'deleted'",
                                          "cwd = '/tmp'",
                                          "exit_code = 1",
                                          "event_type = 'exit'",
                                          "user_name IS NULL"};
  const auto remembering = std::move(*BatchSession::create(system_clock(), {.prefilter = false}));
  std::vector<std::string> statements;
  for (int i = 0; i < 130; ++i) {
    std::string sql = random() % 4 == 0 ? "SELECT pid FROM processes WHERE " : "SELECT pid FROM events WHERE ";
    const bool of_events = sql.find("events") != std::string::npos;
    for (std::size_t term = 0, most = 1 + random() % 4; term < most; ++term) {
      std::string next = pick(terms);
      if (!of_events && (next.starts_with("event") || next.starts_with("exit"))) next = "uid = 1";
      if (term > 0) sql += random() % 2 == 0 ? " AND " : " OR ";
      sql += (random() % 4 == 0 ? "NOT " : "") + ("(" + next + ")");
    }
    if (random() % 8 == 0) sql += " ORDER BY name";
    statements.push_back(sql);
    ASSERT_TRUE(remembering->add(sql)) << sql;
  }
  std::size_t asked = 0, spared = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<pb::ProcessEvent> events;
    for (std::size_t i = 0, many = random() % 12; i < many; ++i) {
      events.push_back(program(pick(names), pick(lines), static_cast<std::uint32_t>(random() % 50)));
      pb::ProcessEvent& event = events.back();
      pb::ProcessRecord& process = *event.mutable_process();
      if (random() % 3 == 0) event.set_event_type(pb::EVENT_TYPE_EXIT);
      if (random() % 3 == 0) event.set_exit_code(1);
      if (random() % 2 == 0) process.set_euid(random() % 2);
      if (random() % 2 == 0) process.set_cwd("/tmp");
      if (random() % 4 == 0) process.add_command_line("more");
    }
    const auto rows = rows_of(events);
    const auto fresh = std::move(*BatchSession::create(system_clock(), {.prefilter = false}));
    for (const std::string& sql : statements) ASSERT_TRUE(fresh->add(sql));
    fresh->load(rows);
    remembering->load(rows);
    for (std::size_t i = 0; i < statements.size(); ++i) {
      const bool is_asked = remembering->events_for(i) > 0;
      ++(is_asked ? asked : spared);
      const auto wanted = matches(*fresh, i);
      EXPECT_EQ(is_asked ? matches(*remembering, i) : std::vector<std::size_t>(), wanted)
          << statements[i] << " round " << round;
    }
  }
  EXPECT_GT(spared, asked / 4) << "nothing was remembered";
}

}  // namespace
}  // namespace de::mirror
