// Pages over a real store, and SQL over the pages.
#include "ingest/stored_events.h"

#include <fstream>

#include "intake_fixture.h"
#include "mirror/charge.h"

namespace de::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class StoredEventsTest : public IntakeTest {
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

  std::vector<std::uint64_t> read_page(const mirror::NextEvents& next) {
    std::vector<std::uint64_t> out;
    const auto page = next();
    EXPECT_TRUE(page) << page.error().message();
    if (!page) return out;
    for (const mirror::EventRow& row : *page) out.push_back(row.event->sequence());
    return out;
  }
  std::vector<std::uint64_t> read_all(const mirror::EventQuery& query) {
    std::vector<std::uint64_t> out;
    const mirror::NextEvents next = events().read(query);
    pages_ = 0;
    for (;;) {
      const auto page = read_page(next);
      if (page.empty()) return out;
      EXPECT_LE(page.size(), StoredEvents::kPageRows);
      ++pages_;
      out.insert(out.end(), page.begin(), page.end());
    }
  }
  StoredEvents events() const { return {*store_, clock_, 30}; }

  static std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = first; i <= last; ++i) out.push_back(i);
    return out;
  }

  std::uint64_t sequence_ = 0;
  std::size_t pages_ = 0;
};

TEST_F(StoredEventsTest, PagesNeitherDoubleNorMiss) {
  for (int i = 0; i < 100; ++i) put(17, kNoon + i);
  EXPECT_EQ(read_all({}), numbers(1, 1700));
  EXPECT_GE(pages_, 4U);
  mirror::EventQuery backwards;
  backwards.newest_first = true;
  auto all = read_all(backwards);
  EXPECT_EQ(all.size(), 1700U);
  EXPECT_GT(all.front(), 1700U - 17U);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers(1, 1700));
}

// More of them than fit a page.
TEST_F(StoredEventsTest, OneMillisecondMayBeLargerThanAPage) {
  put(10, kNoon - 1);
  put(2'000, kNoon);
  put(10, kNoon + 1);
  EXPECT_EQ(read_all({}), numbers(1, 2020));
  mirror::EventQuery backwards;
  backwards.newest_first = true;
  auto all = read_all(backwards);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers(1, 2020));
}

TEST_F(StoredEventsTest, WhatIsStoredWhileReadingComesOnceOrNotAtAll) {
  put(32, kNoon);
  put(32, kNoon + 1);
  const StoredEvents source = events();
  const mirror::NextEvents next = source.read({});
  EXPECT_EQ(read_page(next), numbers(1, 32));
  put(1, kNoon);      // 65: at the edge.
  put(1, kNoon - 5);  // 66: behind it.
  put(1, kNoon + 9);  // 67: ahead.
  std::vector<std::uint64_t> rest;
  for (auto page = read_page(next); !page.empty(); page = read_page(next))
    rest.insert(rest.end(), page.begin(), page.end());
  std::sort(rest.begin(), rest.end());
  auto expected = numbers(33, 65);
  expected.push_back(67);
  EXPECT_EQ(rest, expected);
}

TEST_F(StoredEventsTest, APageIsBoundedInBytes) {
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

TEST_F(StoredEventsTest, ATypeAloneIsFoundWhereverItIs) {
  const std::int64_t day = 86'400'000;
  for (const std::int64_t at : {kNoon - 400 * day, kNoon - 3 * day, kNoon, kNoon + 20 * day}) {
    put(1, at, pb::EVENT_TYPE_EXIT);
    put(1, at + 1);
  }
  mirror::EventQuery query;
  query.type = pb::EVENT_TYPE_EXIT;
  EXPECT_THAT(read_all(query), ElementsAre(1, 3, 5, 7));
  query.newest_first = true;
  EXPECT_THAT(read_all(query), ElementsAre(7, 5, 3, 1));
}

TEST_F(StoredEventsTest, ALateReaderIsStopped) {
  put(100, kNoon);
  mirror::Charge charge{&clock_, 1 << 20, clock_.steady_ns()};
  const mirror::ChargeScope scope(charge);
  const StoredEvents source = events();
  const auto page = source.read({})();
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code(), Errc::Timeout);
}

TEST_F(StoredEventsTest, GapsOfTheTimeAreNamedAndSummedUp) {
  for (std::uint64_t i = 1; i <= 20; ++i) {
    pb::Gap gap;
    gap.set_first_sequence(i * 10);
    gap.set_last_sequence(i * 10 + 4);
    gap.set_from_ms(kNoon + static_cast<std::int64_t>(i) * 1000);
    gap.set_to_ms(kNoon + static_cast<std::int64_t>(i) * 1000 + 10);
    gap.set_reason("size cap");
    ASSERT_TRUE(store_->append_gap("procmond", "spool", gap));
  }
  const auto two = events().missing(kNoon + 2'000, kNoon + 3'500);
  ASSERT_TRUE(two);
  ASSERT_EQ(two->size(), 2U);
  EXPECT_EQ(two->front().reason(), "EventsShed");
  EXPECT_EQ(two->front().detail(), "5 events lost, sequences 20 to 24 (size cap)");
  const auto all = events().missing(kFirstMs, kLastMs);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), StoredEvents::kMaxReasons + 1);
  EXPECT_EQ(all->back().detail(), "20 events lost in 4 more gaps");
  EXPECT_TRUE(events().missing(kNoon + 60'000, kLastMs)->empty());
}

TEST_F(StoredEventsTest, DaysThatAreSetAsideAreNamed) {
  put(1, kNoon);
  intake_.reset();
  store_.reset();
  std::ofstream(dir_ + "/store/2026-01-02/data.mdb", std::ios::trunc) << "not LMDB";
  open();
  const auto missing = events().missing(kNoon, kNoon + 1);
  ASSERT_TRUE(missing);
  ASSERT_EQ(missing->size(), 1U);
  EXPECT_EQ(missing->front().reason(), "ExecutionError");
  EXPECT_THAT(missing->front().detail(), HasSubstr("2026-01-02"));
  EXPECT_TRUE(events().missing(kNoon - 86'400'000 * 5, kNoon - 86'400'000 * 4)->empty());
}

TEST_F(StoredEventsTest, AreReadBySql) {
  put(100, kNoon);
  put(3, kNoon + 10, pb::EVENT_TYPE_EXIT);
  const StoredEvents source = events();
  auto session = std::move(*mirror::Session::create(mirror::Origin::AdHoc, clock_, &source));
  std::vector<std::string> rows;
  const auto outcome = session->run(
      "SELECT event_type || ' ' || count(*) || ' ' || max(name) || ' ' || min(collector) FROM processes.events "
      "GROUP BY event_type",
      {}, {1'000'000'000, 32 << 20, 100, 1 << 20}, [](auto) {},
      [&](std::span<const mirror::Value> row) {
        rows.emplace_back(std::get<std::string_view>(row[0]));
        return true;
      });
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_THAT(rows, ElementsAre("exit 3 p103 procmond", "start 100 p99 procmond"));
}

}  // namespace
}  // namespace de::ingest
