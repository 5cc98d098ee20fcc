// `processes.events` over a source that keeps books: what was asked of it and how many rows it handed out.
#include <gmock/gmock.h>

#include <algorithm>

#include "fixture.h"
#include "mirror/charge.h"

namespace de::mirror {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kT0 = 1'700'000'000'000;

pb::ProcessEvent make_event(std::int64_t at, pb::EventType type, std::uint32_t pid, std::uint32_t ppid,
                            const std::string& name) {
  pb::ProcessEvent event;
  event.set_event_type(type);
  event.set_event_time_ms(kT0 + at);
  event.set_sequence(static_cast<std::uint64_t>(at) + 1);
  pb::ProcessRecord& process = *event.mutable_process();
  process.set_pid(pid);
  process.set_ppid(ppid);
  process.set_name(name);
  process.set_executable_hash("hash-" + name);
  process.set_process_uid(std::string(16, static_cast<char>(pid)));
  return event;
}

class BookKeeper final : public StoredSource {
 public:
  NextRows read(const StoredQuery& query) const override {
    asked.push_back(query);
    std::vector<const pb::ProcessEvent*> found;
    for (const pb::ProcessEvent& event : events) {
      const auto& process = event.process();
      if (event.event_time_ms() < query.from_ms || event.event_time_ms() >= query.to_ms) continue;
      if (query.pid && process.pid() != *query.pid) continue;
      if (query.ppid && process.ppid() != *query.ppid) continue;
      if (query.type && event.event_type() != *query.type) continue;
      if (!query.name.empty() && process.name() != query.name) continue;
      if (!query.process_uid.empty() && process.process_uid() != query.process_uid) continue;
      if (!query.executable_hash.empty() && process.executable_hash() != query.executable_hash) continue;
      found.push_back(&event);
    }
    std::ranges::stable_sort(found, [&](const auto* a, const auto* b) {
      return query.newest_first ? a->event_time_ms() > b->event_time_ms() : a->event_time_ms() < b->event_time_ms();
    });
    return [this, found, at = std::size_t{0},
            rows = std::vector<StoredRow>()]() mutable -> Result<std::span<const StoredRow>> {
      if (failure) return fail(Error(*failure));
      rows.clear();
      for (; at < found.size() && rows.size() < 4; ++at) rows.push_back({"procmond", found[at]});
      handed_out += rows.size();
      return std::span<const StoredRow>(rows);
    };
  }
  Result<std::vector<pb::Reason>> missing(StoredTable, std::int64_t from_ms, std::int64_t to_ms) const override {
    looked_at.emplace_back(from_ms, to_ms);
    std::vector<pb::Reason> out;
    if (gap_ms < from_ms || gap_ms >= to_ms) return out;
    out.emplace_back().set_reason("EventsShed");
    return out;
  }

  std::vector<pb::ProcessEvent> events;
  std::int64_t gap_ms = -1;
  std::optional<Error> failure;
  mutable std::vector<StoredQuery> asked;
  mutable std::size_t handed_out = 0;
  mutable std::vector<std::pair<std::int64_t, std::int64_t>> looked_at;
};

class Events : public testing::Test {
 protected:
  Events() {
    // Two events a millisecond: 100 in all, 10 names, 20 pids.
    for (int i = 0; i < 100; ++i)
      source_.events.push_back(make_event(i / 2, i % 3 == 0 ? pb::EVENT_TYPE_EXEC : pb::EVENT_TYPE_START,
                                          static_cast<std::uint32_t>(i % 20 + 1), 1, "n" + std::to_string(i % 10)));
    for (std::size_t i = 0; i < source_.events.size(); ++i) source_.events[i].set_sequence(i + 1);
    session_ = std::move(*Session::create(Origin::AdHoc, system_clock(), &source_));
    EXPECT_TRUE(session_->load(few_processes()));
  }

  std::string run(std::string_view sql) {
    source_.asked.clear();
    source_.handed_out = 0;
    source_.looked_at.clear();
    const Answer answer = ask(*session_, sql);
    if (answer.outcome) missing_ = answer.outcome->missing.size();
    return answer.text();
  }
  std::string count(const std::string& where) {
    return run("SELECT count(*), min(sequence) FROM events WHERE " + where);
  }

  static std::string t(std::int64_t at) { return std::to_string(kT0 + at); }

  BookKeeper source_;
  std::unique_ptr<Session> session_;
  std::size_t missing_ = 0;
};

TEST_F(Events, HaveBothNames) {
  EXPECT_EQ(run("SELECT count(*) FROM processes.events"), "100");
  EXPECT_EQ(run("SELECT count(*) FROM events"), "100");
  EXPECT_EQ(run("SELECT processes.events.pid FROM processes.events WHERE sequence = 7"), "7");
  EXPECT_EQ(run("SELECT e.event_type, e.collector, events FROM (SELECT 1 AS events), events AS e WHERE e.sequence = 1"),
            "exec|procmond|1");
  EXPECT_THAT(run("SELECT * FROM nosuch.events"), HasSubstr("no such table"));
  EXPECT_THAT(run("SELECT * FROM de_events"), HasSubstr("no such table"));
  EXPECT_THAT(run("SELECT * FROM main.events"), HasSubstr("no such table"));
}

TEST_F(Events, JoinWithTheSnapshot) {
  EXPECT_EQ(run("SELECT p.name, count(*) FROM processes AS p JOIN processes.events AS e ON e.pid = p.pid "
                "GROUP BY p.pid ORDER BY p.pid"),
            "init|5\nnginx|5\nsh|5\nbash|5");
  EXPECT_EQ(run("SELECT p.name FROM processes.events AS e JOIN processes.snapshots AS p ON p.pid = e.pid "
                "WHERE e.sequence = 11"),
            "sh");
}

TEST_F(Events, ReadOnlyTheTimesAskedFor) {
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms >= " + t(10) + " AND event_time_ms < " + t(12)), "4");
  EXPECT_EQ(source_.handed_out, 4U);
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms BETWEEN " + t(10) + " AND " + t(12)), "6");
  EXPECT_EQ(source_.handed_out, 6U);
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms > " + t(47)), "4");
  EXPECT_EQ(source_.handed_out, 4U);
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms <= " + t(0)), "2");
  EXPECT_EQ(source_.handed_out, 2U);
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms = " + t(3)), "2");
  EXPECT_EQ(source_.handed_out, 2U);
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms > " + t(5) + " AND event_time_ms < " + t(5)), "0");
  EXPECT_TRUE(source_.asked.empty());
}

TEST_F(Events, ReadOnlyTheRowsAskedFor) {
  const auto expect = [&](const std::string& where, const std::string& rows, std::size_t handed_out) {
    EXPECT_EQ(run("SELECT count(*) FROM events WHERE " + where), rows) << where;
    EXPECT_EQ(source_.handed_out, handed_out) << where;
  };
  expect("pid = 7", "5", 5);
  expect("ppid = 2", "0", 0);
  expect("name = 'n3'", "10", 10);
  expect("executable_hash = 'hash-n3'", "10", 10);
  expect("event_type = 'exec'", "34", 34);
  expect("process_uid = '07070707-0707-0707-0707-070707070707'", "5", 5);
  expect("name = 'n3' AND event_type = 'exec' AND event_time_ms < " + t(25), "2", 2);
  expect("name IN ('n3', 'n4', 'nosuch')", "20", 20);
  expect("event_type IN ('start', 'exit')", "66", 66);
  expect("name = 'n3' OR pid = 7", "15", 15);
  expect("name = 'n3' OR pid = 4", "10", 15);  // Rows that both branches find count once.
}

TEST_F(Events, ReadOnlyThePartsThatAreLookedAt) {
  const auto parts = [&](const std::string& sql) {
    source_.asked.clear();
    (void)run(sql);
    return source_.asked.empty() ? 99 : int{source_.asked.front().parts};
  };
  EXPECT_EQ(parts("SELECT count(*), min(event_time_ms) FROM events"), 0);
  EXPECT_EQ(parts("SELECT pid FROM events"), schema::kWhoPart);
  EXPECT_EQ(parts("SELECT count(*) FROM events WHERE name LIKE 'n%'"), schema::kImagePart);
  EXPECT_EQ(parts("SELECT exit_code, name FROM events"), schema::kNumbersPart | schema::kImagePart);
  EXPECT_EQ(parts("SELECT command_line FROM events"), schema::kAllParts);
  EXPECT_EQ(parts("SELECT * FROM events"), schema::kAllParts);
}

TEST_F(Events, OrderByTimeWithLimitStopsEarly) {
  EXPECT_EQ(run("SELECT sequence FROM events ORDER BY event_time_ms DESC LIMIT 2"), "99\n100");
  EXPECT_LE(source_.handed_out, 4U);
  EXPECT_EQ(run("SELECT event_time_ms - " + t(0) + " FROM events ORDER BY event_time_ms LIMIT 3"), "0\n0\n1");
  EXPECT_LE(source_.handed_out, 4U);
  EXPECT_EQ(run("SELECT pid FROM events WHERE name = 'n3' ORDER BY event_time_ms DESC LIMIT 1"), "14");
  EXPECT_LE(source_.handed_out, 4U);
  // Another order, or a second term, is SQLite's to sort.
  EXPECT_EQ(run("SELECT sequence FROM events ORDER BY event_time_ms DESC, sequence DESC LIMIT 2"), "100\n99");
  EXPECT_EQ(source_.handed_out, 100U);
}

TEST_F(Events, AnInListDoesNotSpoilTheOrder) {
  EXPECT_EQ(run("SELECT group_concat(s, ' ') FROM (SELECT sequence AS s FROM events WHERE name IN ('n4', 'n3') "
                "ORDER BY event_time_ms LIMIT 4)"),
            "4 5 14 15");
}

// What SQLite compares in its own way is SQLite's: other types, other collations, functions.
TEST_F(Events, NarrowOnlyWhatIsComparedAlike) {
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE pid = '7'"), "5");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE pid = 7.0"), "5");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE pid = 4294967303"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE pid = -1"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE name = 'N3' COLLATE NOCASE"), "10");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE name LIKE 'N3%'"), "10");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_type = 'EXEC'"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_type = 'nosuch'"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE process_uid = 'nosuch'"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE process_uid = upper('0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a')"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms > " + t(47) + ".5"), "4");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms >= " + t(47) + ".5"), "4");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms < " + t(1) + ".5"), "4");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms <= " + t(1) + ".5"), "4");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms = " + t(1) + ".5"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms = '" + t(1) + "'"), "2");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms > NULL"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE name IS NULL"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE ppid IS NOT 1"), "0");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE name = (SELECT 'n' || 3)"), "10");
}

TEST_F(Events, AgreeWithWhatIsNotPushedDown) {
  const std::string ops[] = {"=", "<", "<=", ">", ">="};
  for (const std::string& op : ops) {
    for (const std::string& value :
         std::vector<std::string>{t(-1), t(0), t(24), t(24) + ".5", t(49), t(50), "9223372036854775807",
                                  "-9223372036854775808", "1e300", "'" + t(24) + "'", "NULL"}) {
      EXPECT_EQ(count("event_time_ms " + op + " " + value), count("(event_time_ms " + op + " " + value + ") IS TRUE"))
          << op << ' ' << value;
    }
  }
}

TEST_F(Events, TheWindowHidesWhatIsOutsideIt) {
  session_->see_stored(kT0 + 40);
  EXPECT_EQ(run("SELECT count(*), min(event_time_ms) FROM events"), "20|" + t(40));
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms > " + t(10)), "20");
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms < " + t(10)), "0");
  session_->see_stored(kT0 + 40, kT0 + 45);
  EXPECT_EQ(run("SELECT count(*), max(event_time_ms) FROM events"), "10|" + t(44));
  EXPECT_EQ(run("SELECT count(*) FROM events WHERE event_time_ms >= " + t(45)), "0");
  session_->see_stored();
  EXPECT_EQ(run("SELECT count(*) FROM events"), "100");
}

TEST_F(Events, SayWhatIsMissingOfTheTimesLookedAt) {
  source_.gap_ms = kT0 + 10;
  run("SELECT count(*) FROM events");
  EXPECT_EQ(missing_, 1U);
  run("SELECT count(*) FROM events WHERE event_time_ms > " + t(10));
  EXPECT_EQ(missing_, 0U);
  EXPECT_THAT(source_.looked_at, ElementsAre(std::pair(kT0 + 11, kNoEndMs)));
  // Left half-way: what lies behind the last row was not looked at.
  run("SELECT sequence FROM events ORDER BY event_time_ms DESC LIMIT 2");
  EXPECT_EQ(missing_, 0U);
  EXPECT_THAT(source_.looked_at, ElementsAre(std::pair(kT0 + 49, kNoEndMs)));
  run("SELECT sequence FROM events ORDER BY event_time_ms LIMIT 50");
  EXPECT_EQ(missing_, 1U);
  run("SELECT pid FROM processes");
  EXPECT_TRUE(source_.looked_at.empty());
  // Cut by a limit of ours.
  const Answer cut = ask(*session_, "SELECT sequence FROM events", {1'000, 32UL << 20, 30, 1 << 20});
  ASSERT_TRUE(cut.outcome);
  EXPECT_EQ(cut.outcome->missing.size(), 1U);
}

TEST_F(Events, FailuresOfTheSourceAreErrorsOfTheQuery) {
  source_.failure = Error(Errc::Io, "cannot read the store");
  Answer answer = ask(*session_, "SELECT count(*) FROM events");
  ASSERT_FALSE(answer.outcome);
  EXPECT_EQ(answer.outcome.error().code(), Errc::Io);
  EXPECT_EQ(answer.outcome.error().message(), "cannot read the store");
  source_.failure.reset();
  EXPECT_EQ(run("SELECT count(*) FROM events"), "100");
}

TEST_F(Events, SurviveAnotherImage) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(session_->load(i % 2 == 0 ? must(empty_image()) : few_processes()));
    EXPECT_EQ(run("SELECT count(*) FROM events"), "100");
  }
}

TEST_F(Events, WithoutASourceThereAreNone) {
  const auto session = few_session();
  EXPECT_EQ(ask(*session, "SELECT count(*) FROM events").text(), "0");
}

TEST_F(Events, StatementsSayWhetherTheyBeginAtACertainTime) {
  const auto has_start = [&](std::string_view sql) {
    const auto statement = session_->validate(sql);
    EXPECT_TRUE(statement) << statement.error().message();
    return statement->stored_have_start;
  };
  EXPECT_TRUE(has_start("SELECT pid FROM processes"));
  EXPECT_FALSE(has_start("SELECT pid FROM events"));
  EXPECT_FALSE(has_start("SELECT pid FROM events WHERE event_time_ms < 5"));
  EXPECT_TRUE(has_start("SELECT pid FROM events WHERE event_time_ms > (unixepoch('now') - 600) * 1000"));
  EXPECT_FALSE(has_start("SELECT a.pid FROM events AS a JOIN events AS b ON a.ppid = b.pid WHERE a.event_time_ms > 5"));
  const auto statement = session_->validate("SELECT e.name FROM events AS e");
  EXPECT_THAT(statement->tables, ElementsAre("processes.events"));
  EXPECT_THAT(statement->columns_used, ElementsAre("processes.events.name"));
}

}  // namespace
}  // namespace de::mirror
