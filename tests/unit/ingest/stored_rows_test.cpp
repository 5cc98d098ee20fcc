// Pages over a real store, and SQL over the pages.
#include "ingest/stored_rows.h"

#include <fstream>

#include "intake_fixture.h"
#include "mirror/charge.h"

namespace de::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class StoredRowsTest : public IntakeTest {
 protected:
  // `count` events with the next sequences, all at `time_ms`.
  void put(std::size_t count, std::int64_t time_ms, pb::EventType type = pb::EVENT_TYPE_START) {
    pb::EventBatch batch;
    for (std::size_t i = 0; i < count; ++i) {
      pb::ProcessEvent& event = *batch.add_events();
      event.set_sequence(++sequence_);
      event.set_event_type(type);
      event.set_event_time_ms(time_ms);
      *event.mutable_process() = process(static_cast<std::uint32_t>(sequence_));
    }
    const auto outcome = store_->append_events("procmond", "spool", batch);
    EXPECT_TRUE(outcome) << outcome.error().message();
  }

  std::vector<std::uint64_t> read_page(const mirror::NextRows& next) {
    std::vector<std::uint64_t> out;
    const auto page = next();
    EXPECT_TRUE(page) << page.error().message();
    if (!page) return out;
    for (const mirror::StoredRow& row : *page) out.push_back(row.event->sequence());
    return out;
  }
  std::vector<std::uint64_t> read_all(const mirror::StoredQuery& query) {
    std::vector<std::uint64_t> out;
    const mirror::NextRows next = events().read(query);
    pages_ = 0;
    for (;;) {
      const auto page = read_page(next);
      if (page.empty()) return out;
      EXPECT_LE(page.size(), StoredRows::kPageRows);
      ++pages_;
      out.insert(out.end(), page.begin(), page.end());
    }
  }
  StoredRows events() const { return StoredRows(*store_); }

  static std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = first; i <= last; ++i) out.push_back(i);
    return out;
  }

  std::uint64_t sequence_ = 0;
  std::size_t pages_ = 0;
};

TEST_F(StoredRowsTest, PagesNeitherDoubleNorMiss) {
  for (int i = 0; i < 100; ++i) put(17, kNoon + i);
  EXPECT_EQ(read_all({}), numbers(1, 1700));
  EXPECT_GE(pages_, 4U);
  mirror::StoredQuery backwards;
  backwards.newest_first = true;
  auto all = read_all(backwards);
  EXPECT_EQ(all.size(), 1700U);
  EXPECT_GT(all.front(), 1700U - 17U);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers(1, 1700));
}

// More of them than fit a page.
TEST_F(StoredRowsTest, OneMillisecondMayBeLargerThanAPage) {
  put(10, kNoon - 1);
  put(2'000, kNoon);
  put(10, kNoon + 1);
  EXPECT_EQ(read_all({}), numbers(1, 2020));
  mirror::StoredQuery backwards;
  backwards.newest_first = true;
  auto all = read_all(backwards);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers(1, 2020));
}

TEST_F(StoredRowsTest, WhatIsStoredWhileReadingIsNotPartOfIt) {
  put(32, kNoon);
  put(32, kNoon + 1);
  const StoredRows source = events();
  const mirror::NextRows next = source.read({});
  EXPECT_EQ(read_page(next), numbers(1, 32));
  put(1, kNoon);      // At the edge.
  put(1, kNoon - 5);  // Behind it.
  put(1, kNoon + 9);  // Ahead.
  std::vector<std::uint64_t> rest;
  for (auto page = read_page(next); !page.empty(); page = read_page(next))
    rest.insert(rest.end(), page.begin(), page.end());
  EXPECT_EQ(rest, numbers(33, 64));
  EXPECT_EQ(read_all({}).size(), 67U);
}

TEST_F(StoredRowsTest, APageIsBoundedInBytes) {
  pb::EventBatch batch;
  for (std::uint64_t i = 1; i <= 8; ++i) {
    pb::ProcessEvent& event = *batch.add_events();
    event.set_sequence(i);
    event.set_event_time_ms(kNoon);
    *event.mutable_process() = process(1);
    event.mutable_process()->add_command_line(std::string(600'000, 'x'));
  }
  ASSERT_TRUE(store_->append_events("procmond", "spool", batch));
  EXPECT_EQ(read_all({}), numbers(1, 8));
  EXPECT_EQ(pages_, 4U);
}

TEST_F(StoredRowsTest, ATypeAloneIsFoundWhereverItIs) {
  const std::int64_t day = 86'400'000;
  for (const std::int64_t at : {kNoon - 400 * day, kNoon - 3 * day, kNoon, kNoon + 20 * day}) {
    put(1, at, pb::EVENT_TYPE_EXIT);
    put(1, at + 1);
  }
  mirror::StoredQuery query;
  query.type = pb::EVENT_TYPE_EXIT;
  EXPECT_THAT(read_all(query), ElementsAre(1, 3, 5, 7));
  query.newest_first = true;
  EXPECT_THAT(read_all(query), ElementsAre(7, 5, 3, 1));
}

TEST_F(StoredRowsTest, NothingHasAUidThatIsNone) {
  put(100, kNoon);
  mirror::StoredQuery query;
  query.process_uid = "no uid";
  EXPECT_TRUE(read_all(query).empty());
}

TEST_F(StoredRowsTest, ALateReaderIsStopped) {
  put(100, kNoon);
  mirror::Charge charge{&clock_, 1 << 20, clock_.steady_ns()};
  const mirror::ChargeScope scope(charge);
  const StoredRows source = events();
  const auto page = source.read({})();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code(), Errc::Timeout);
}

TEST_F(StoredRowsTest, GapsOfTheTimeAreNamedAndSummedUp) {
  for (std::uint64_t i = 1; i <= 20; ++i) {
    pb::Gap gap;
    gap.set_first_sequence(i * 10);
    gap.set_last_sequence(i * 10 + 4);
    gap.set_from_ms(kNoon + static_cast<std::int64_t>(i) * 1000);
    gap.set_to_ms(kNoon + static_cast<std::int64_t>(i) * 1000 + 10);
    gap.set_reason("size cap");
    ASSERT_TRUE(store_->append_gap("procmond", "spool", gap));
  }
  const auto two = events().missing(mirror::StoredTable::Events, kNoon + 2'000, kNoon + 3'500);
  ASSERT_TRUE(two);
  ASSERT_EQ(two->size(), 2U);
  EXPECT_EQ(two->front().reason(), "EventsShed");
  EXPECT_EQ(two->front().detail(), "5 events lost, sequences 20 to 24 (size cap)");
  const auto all = events().missing(mirror::StoredTable::Events, kFirstMs, kLastMs);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), StoredRows::kMaxReasons + 1);
  EXPECT_EQ(all->back().detail(), "20 events lost in 4 more gaps");
  EXPECT_TRUE(events().missing(mirror::StoredTable::Events, kNoon + 60'000, kLastMs)->empty());
}

TEST_F(StoredRowsTest, DaysThatAreSetAsideAreNamed) {
  put(1, kNoon);
  intake_.reset();
  store_.reset();
  std::ofstream(dir_ + "/store/2026-01-02/data.mdb", std::ios::trunc) << "not LMDB";
  open();
  const auto missing = events().missing(mirror::StoredTable::Events, kNoon, kNoon + 1);
  ASSERT_TRUE(missing);
  ASSERT_EQ(missing->size(), 1U);
  EXPECT_EQ(missing->front().reason(), "ExecutionError");
  EXPECT_THAT(missing->front().detail(), HasSubstr("2026-01-02"));
  EXPECT_TRUE(events().missing(mirror::StoredTable::Events, kNoon - 86'400'000 * 5, kNoon - 86'400'000 * 4)->empty());
}

class StoredRowsBySql : public StoredRowsTest {
 protected:
  // Three scans of two processes, the second of which uses more memory each time.
  void put_scans() {
    for (std::uint64_t i = 0; i < 3; ++i) {
      const std::int64_t time_ms = kNoon + static_cast<std::int64_t>(i) * 30'000;
      ASSERT_TRUE(store_->begin_scan({i + 1, time_ms, "procmond", {}}));
      for (std::uint32_t pid : {1U, 2U}) {
        pb::ProcessRecord record = process(pid);
        record.set_ppid(pid - 1);
        record.set_memory_usage(pid == 2 ? 1'000 * (i + 1) : 5);
        ASSERT_TRUE(store_->add(record, record.SerializeAsString()));
      }
      pb::ScanSummary summary;
      summary.set_seen(2);
      summary.set_reported(2);
      summary.set_duration_us(70 + static_cast<unsigned>(i));
      ASSERT_TRUE(store_->finish_scan(summary));
    }
  }
  void put_alerts(int count) {
    for (int i = 1; i <= count; ++i) {
      pb::Alert alert;
      alert.set_id("alert-" + std::to_string(i));
      alert.set_rule_id(i % 2 == 0 ? "even" : "odd");
      alert.set_title("A title");
      alert.set_severity(pb::SEVERITY_HIGH);
      alert.set_alert_time_ms(kNoon + i);
      alert.add_tags("attack.t1059");
      pb::AlertField& field = *alert.add_data();
      field.set_column("pid");
      field.mutable_value()->set_integer(i);
      ASSERT_TRUE(store_->put_alert(alert, {}, 0));
    }
  }
  // Rows as "a|b", or the error; missing_ is how many reasons came with them.
  std::vector<std::string> ask(const std::string& sql) {
    const StoredRows source = events();
    auto session = std::move(*mirror::Session::create(mirror::Origin::AdHoc, clock_, &source));
    std::vector<std::string> rows;
    const auto outcome = session->run(
        sql, {}, {1'000'000'000, 32 << 20, 1'000, 1 << 20}, [](auto) {},
        [&](std::span<const mirror::Value> row) {
          std::string& text = rows.emplace_back();
          for (const mirror::Value& value : row) {
            if (&value != row.data()) text += '|';
            if (const auto* number = std::get_if<std::int64_t>(&value)) text += std::to_string(*number);
            if (const auto* view = std::get_if<std::string_view>(&value)) text += *view;
          }
          return true;
        });
    if (!outcome) return {outcome.error().message()};
    missing_ = outcome->missing;
    return rows;
  }

  std::vector<pb::Reason> missing_;
};

TEST_F(StoredRowsBySql, Events) {
  put(100, kNoon);
  put(3, kNoon + 10, pb::EVENT_TYPE_EXIT);
  EXPECT_THAT(ask("SELECT event_type, count(*), max(name), min(collector) FROM processes.events GROUP BY event_type"),
              ElementsAre("exit|3|p103|procmond", "start|100|p99|procmond"));
}

// A column that is cheap to read is read alone.
TEST_F(StoredRowsBySql, AColumnAloneIsWhatItIsBesideTheOthers) {
  pb::EventBatch batch;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    pb::ProcessEvent& event = *batch.add_events();
    event.set_sequence(i);
    event.set_event_type(i % 2 == 0 ? pb::EVENT_TYPE_EXIT : pb::EVENT_TYPE_START);
    event.set_event_time_ms(kNoon + static_cast<std::int64_t>(i % 70));
    event.set_boot_time_ns(i * 1'000);
    event.set_duration_ms(i);
    event.set_exit_code(static_cast<std::int32_t>(i % 3));
    pb::ProcessRecord& record = *event.mutable_process();
    record = process(static_cast<std::uint32_t>(i % 40));
    record.set_exec_seq(static_cast<std::uint32_t>(i % 5));
    record.set_ppid(static_cast<std::uint32_t>(i % 7));
    record.set_executable_path("/usr/bin/p" + std::to_string(i % 40));
    record.set_executable_hash("hash-" + std::to_string(i % 40));
    record.add_command_line("p" + std::to_string(i));
    if (i % 9 == 0) record.clear_process_uid();
  }
  ASSERT_TRUE(store_->append_events("procmond", "spool", batch));
  for (const schema::ColumnInfo& column : schema::find_table("processes.events")->columns) {
    const std::string name(column.name);
    const auto alone = ask("SELECT " + name + " FROM processes.events ORDER BY event_time_ms");
    auto beside = ask("SELECT " + name + ", '#', command_line FROM processes.events ORDER BY event_time_ms");
    for (std::string& row : beside) row.resize(row.rfind("|#|") == row.npos ? 0 : row.rfind("|#|"));
    EXPECT_EQ(alone.size(), 200U) << name;
    EXPECT_EQ(alone, beside) << name;
  }
  EXPECT_THAT(ask("SELECT count(*) FROM events WHERE name = 'p7'"), ElementsAre("5"));
  EXPECT_THAT(ask("SELECT count(*), max(exit_code) FROM events WHERE executable_hash = 'hash-7' AND pid = 7"),
              ElementsAre("5|2"));
  EXPECT_THAT(ask("SELECT count(*) FROM events WHERE process_uid = ''"), ElementsAre("22"));
}

TEST_F(StoredRowsBySql, HistoryIsOneRowAProcessAndScan) {
  put_scans();
  EXPECT_THAT(
      ask("SELECT scan_id, collection_time_ms, memory_usage, collector FROM processes.history WHERE pid = 2"),
      ElementsAre("1|1767355200000|1000|procmond", "2|1767355230000|2000|procmond", "3|1767355260000|3000|procmond"));
  EXPECT_THAT(ask("SELECT count(*), count(DISTINCT process_uid) FROM history"), ElementsAre("6|2"));
  EXPECT_THAT(ask("SELECT name FROM history WHERE scan_id = 2 ORDER BY name DESC"), ElementsAre("p2", "p1"));
  EXPECT_THAT(ask("SELECT count(*) FROM history WHERE name = 'p1' AND collection_time_ms > 1767355200000"),
              ElementsAre("2"));
  EXPECT_THAT(ask("SELECT count(*) FROM history WHERE ppid = 1 OR pid = 1"), ElementsAre("6"));
  EXPECT_THAT(ask("SELECT count(*) FROM history WHERE name IN ('p1', 'p2', 'p3')"), ElementsAre("6"));
  EXPECT_THAT(ask("SELECT pid, memory_usage - lag(memory_usage) OVER (PARTITION BY process_uid ORDER BY scan_id) AS "
                  "grown FROM history ORDER BY grown DESC LIMIT 1"),
              ElementsAre("2|1000"));
}

TEST_F(StoredRowsBySql, HistoryOfManyPages) {
  clock_.now_ms = kNoon;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(store_->begin_scan({i, kNoon + static_cast<std::int64_t>(i), "procmond", {}}));
    for (std::uint32_t pid = 1; pid <= 700; ++pid) {
      const pb::ProcessRecord record = process(pid);
      ASSERT_TRUE(store_->add(record, record.SerializeAsString()));
    }
    ASSERT_TRUE(store_->finish_scan({}));
  }
  const StoredRows source = events();
  mirror::StoredQuery query;
  query.table = mirror::StoredTable::History;
  const mirror::NextRows next = source.read(query);
  std::size_t pages = 0;
  for (auto page = next(); page && !page->empty(); page = next(), ++pages)
    EXPECT_LE(page->size(), StoredRows::kPageRows);
  EXPECT_GE(pages, 3'500 / StoredRows::kPageRows);
  EXPECT_THAT(ask("SELECT count(*), sum(pid), count(DISTINCT pid * 10 + scan_id) FROM history"),
              ElementsAre("3500|" + std::to_string(5 * 700 * 701 / 2) + "|3500"));
}

TEST_F(StoredRowsBySql, ScansSayHowTheyWent) {
  put_scans();
  EXPECT_THAT(ask("SELECT scan_id, collection_time_ms, collector, process_count, seen, duration_us FROM scans "
                  "WHERE collection_time_ms >= 1767355230000"),
              ElementsAre("2|1767355230000|procmond|2|2|71", "3|1767355260000|procmond|2|2|72"));
  EXPECT_THAT(ask("SELECT s.scan_id, count(*) FROM scans AS s JOIN history AS h ON h.scan_id = s.scan_id GROUP BY 1"),
              ElementsAre("1|2", "2|2", "3|2"));
}

TEST_F(StoredRowsBySql, Alerts) {
  put_alerts(150);  // More than a page.
  EXPECT_THAT(ask("SELECT count(*), min(sequence), max(sequence) FROM alerts"), ElementsAre("150|1|150"));
  EXPECT_THAT(ask("SELECT count(*) FROM alerts WHERE rule_id = 'even'"), ElementsAre("75"));
  EXPECT_THAT(ask("SELECT id, severity, state, tags, data ->> 'pid', complete FROM alerts WHERE alert_time_ms = " +
                  std::to_string(kNoon + 7)),
              ElementsAre("alert-7|high|open|[\"attack.t1059\"]|7|0"));
}

TEST_F(StoredRowsBySql, AWindowHoldsForAllOfThem) {
  put_scans();
  put_alerts(60);
  const StoredRows source = events();
  auto session = std::move(*mirror::Session::create(mirror::Origin::AdHoc, clock_, &source));
  const auto count = [&](const std::string& table) {
    std::int64_t rows = -1;
    const auto outcome = session->run(
        "SELECT count(*) FROM " + table, {}, {1'000'000'000, 32 << 20, 10, 1 << 20}, [](auto) {},
        [&](std::span<const mirror::Value> row) {
          rows = std::get<std::int64_t>(row[0]);
          return true;
        });
    EXPECT_TRUE(outcome);
    return rows;
  };
  session->see_stored(kNoon + 10, kNoon + 40'000);
  EXPECT_EQ(count("alerts"), 51);
  EXPECT_EQ(count("scans"), 1);
  EXPECT_EQ(count("history"), 2);
  session->see_stored(kNoon, kNoon + 31);
  EXPECT_EQ(count("alerts"), 30);
  EXPECT_EQ(count("scans"), 1);
}

TEST_F(StoredRowsBySql, EachTableSaysWhatItLacks) {
  put_scans();
  put(1, kNoon);
  ASSERT_TRUE(store_->append_gap("procmond", "spool", gap(2, 5).gap()));
  (void)ask("SELECT count(*) FROM events");
  EXPECT_EQ(missing_.size(), 1U);
  (void)ask("SELECT count(*) FROM history");
  EXPECT_TRUE(missing_.empty()) << "a lost event takes nothing from a snapshot";
  (void)ask("SELECT count(*) FROM alerts, scans");
  EXPECT_TRUE(missing_.empty());
}

TEST_F(StoredRowsBySql, ALongReadingOfHistoryEndsAtItsLimit) {
  put_scans();
  const StoredRows source = events();
  auto session = std::move(*mirror::Session::create(mirror::Origin::AdHoc, system_clock(), &source));
  const auto outcome = session->run(
      "SELECT count(*) FROM history AS a, history AS b, history AS c, history AS d, history AS e, history AS f, "
      "history AS g",
      {}, {50, 32 << 20, 10, 1 << 20}, [](auto) {}, [](auto) { return true; });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), Errc::Timeout);
}

}  // namespace
}  // namespace de::ingest
