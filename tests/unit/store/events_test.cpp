// Events are stored once, in order, with their watermark; what is missing is named.
#include <fstream>

#include "store_fixture.h"

namespace de::store {
namespace {

using Events = StoreTest;

TEST_F(Events, ComeBackAsTheyWere) {
  const pb::EventBatch batch = events(1, 256, kNoon);
  const auto outcome = store_->append_events("procmond", "spool", batch);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->stored, 256u);
  EXPECT_EQ(outcome->acked_sequence, 256u);
  EXPECT_TRUE(outcome->jumps.empty());
  open();
  const auto stored = stored_events(*store_);
  ASSERT_EQ(stored.size(), 256u);
  for (const pb::ProcessEvent& event : batch.events())
    EXPECT_EQ(stored.at(event.sequence()), event.SerializeAsString());
  EXPECT_EQ(store_->acked_sequence("procmond", "spool"), 256u);
}

TEST_F(Events, ASecondTimeIsADuplicate) {
  ASSERT_TRUE(store_->append_events("procmond", "spool", events(1, 20, kNoon)));
  const auto again = store_->append_events("procmond", "spool", events(11, 30, kNoon));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->duplicates, 10u);
  EXPECT_EQ(again->stored, 10u);
  open();  // The watermark is as durable as the events.
  const auto third = store_->append_events("procmond", "spool", events(1, 30, kNoon));
  ASSERT_TRUE(third);
  EXPECT_EQ(third->duplicates, 30u);
  EXPECT_EQ(stored_events(*store_).size(), 30u);
}

// What is resident of the day's map, as the kernel counts it for this process.
std::uint64_t resident_kb_of(const std::string& day) {
  std::ifstream smaps("/proc/self/smaps");
  std::uint64_t kb = 0;
  bool ours = false;
  for (std::string line; std::getline(smaps, line);) {
    if (line.find("-") < line.find(" ") && line.find(":") > line.find(" "))
      ours = line.find(day + "/data.mdb") != line.npos;
    else if (ours && line.starts_with("Rss:"))
      kb += std::strtoull(line.c_str() + 4, nullptr, 10);
  }
  return kb;
}

TEST_F(Events, TheirMapDoesNotStayInMemory) {
  std::uint64_t sequence = 1, largest_kb = 0;
  const auto append = [&](int commits) {
    for (int i = 0; i < commits; ++i, sequence += 200) {
      ASSERT_TRUE(store_->append_events("c", "s", events(sequence, sequence + 199, kNoon)));
      if (i % 16 == 0) largest_kb = std::max(largest_kb, resident_kb_of("2026-01-02"));
    }
  };
  append(127);
  const std::uint64_t first_kb = resident_kb_of("2026-01-02");
  ASSERT_GT(first_kb, 500u);
  append(1);
  EXPECT_LT(resident_kb_of("2026-01-02"), first_kb / 4);
  append(472);
  EXPECT_LT(largest_kb, first_kb * 3) << "five times the events, and the memory grows with them";
}

TEST_F(Events, WatermarksBelongToCollectorAndSpool) {
  ASSERT_TRUE(store_->append_events("a", "s1", events(1, 5, kNoon)));
  ASSERT_TRUE(store_->append_events("a", "s2", events(1, 3, kNoon)));
  ASSERT_TRUE(store_->append_events("b", "s1", events(1, 2, kNoon)));
  EXPECT_EQ(store_->acked_sequence("a", "s1"), 5u);
  EXPECT_EQ(store_->acked_sequence("a", "s2"), 3u);
  EXPECT_EQ(store_->acked_sequence("b", "s1"), 2u);
  EXPECT_EQ(store_->acked_sequence("b", "never"), 0u);
  EXPECT_EQ(store_->stats()->events, 10u);
}

TEST_F(Events, JumpsAreReported) {
  pb::EventBatch batch = events(3, 4, kNoon);
  *batch.add_events() = events(10, 10, kNoon).events(0);
  const auto outcome = store_->append_events("c", "s", batch);
  ASSERT_TRUE(outcome);
  ASSERT_EQ(outcome->jumps.size(), 2u);
  EXPECT_EQ(outcome->jumps[0].first, 1u);
  EXPECT_EQ(outcome->jumps[0].last, 2u);
  EXPECT_EQ(outcome->jumps[1].first, 5u);
  EXPECT_EQ(outcome->jumps[1].last, 9u);
}

TEST_F(Events, ABatchOverMidnightGoesToBothDays) {
  pb::EventBatch batch = events(1, 6, kNoon);
  for (int i = 0; i < 6; ++i)  // There and back: the order of arrival is not that of time.
    batch.mutable_events(i)->set_event_time_ms(kMidnight + (i % 2 == 0 ? -10 : 10));
  ASSERT_TRUE(store_->append_events("c", "s", batch));
  EXPECT_EQ(store_->stats()->days.size(), 2u);
  open();
  EXPECT_EQ(stored_events(*store_).size(), 6u);
  EXPECT_EQ(store_->acked_sequence("c", "s"), 6u);
  std::size_t before_midnight = 0;
  ASSERT_TRUE(store_->read_events(0, kMidnight, [&](std::string_view collector, const pb::ProcessEvent&) {
    EXPECT_EQ(collector, "c");
    return ++before_midnight > 0;
  }));
  EXPECT_EQ(before_midnight, 3u);
}

TEST_F(Events, MoreThanATransactionAndALongRead) {
  ASSERT_TRUE(store_->append_events("c", "s", events(1, 25'000, kNoon)));
  EXPECT_EQ(stored_events(*store_).size(), 25'000u);
}

TEST_F(Events, AFilterChoosesAndOrders) {
  ASSERT_TRUE(store_->append_events("c", "s", events(1, 100, kNoon)));
  EventFilter filter;
  filter.name = "proc-5";
  filter.type = pb::EVENT_TYPE_EXIT;
  std::vector<std::uint64_t> found;
  const auto collect = [&](std::string_view, const pb::ProcessEvent& event) {
    found.push_back(event.sequence());
    return true;
  };
  ASSERT_TRUE(store_->find_events(filter, collect));
  EXPECT_EQ(found, (std::vector<std::uint64_t>{45}));  // 5, 45 and 85 have the name.
  filter.type.reset();
  filter.newest_first = true;
  found.clear();
  const auto outcome = store_->find_events(filter, collect);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->rows, 3u);
  EXPECT_EQ(found, (std::vector<std::uint64_t>{45, 85, 5}));  // Their times are 45, 35 and 5 ms behind noon.
}

TEST_F(Events, FarAwayTimesMakeNoFarAwayDays) {
  pb::EventBatch batch = events(1, 3, kNoon);
  batch.mutable_events(0)->set_event_time_ms(-1);
  batch.mutable_events(1)->set_event_time_ms(INT64_MAX);
  batch.mutable_events(2)->set_event_time_ms(kNoon - 500 * kDay);
  ASSERT_TRUE(store_->append_events("c", "s", batch));
  EXPECT_EQ(store_->stats()->days.size(), 2u);
  EXPECT_EQ(stored_events(*store_).at(2), batch.events(1).SerializeAsString());
}

TEST_F(Events, RefusesWhatHasNoSequenceOrNoName) {
  EXPECT_EQ(store_->append_events("c", "s", events(0, 1, kNoon)).error().code(), Errc::Invalid);
  EXPECT_EQ(store_->append_events("", "s", events(1, 1, kNoon)).error().code(), Errc::Invalid);
  EXPECT_EQ(store_->append_events("c", std::string("a\0b", 3), events(1, 1, kNoon)).error().code(), Errc::Invalid);
  EXPECT_EQ(store_->append_events("c", std::string(129, 'x'), events(1, 1, kNoon)).error().code(), Errc::Invalid);
  EXPECT_EQ(store_->stats()->events, 0u);
}

TEST_F(Events, TheyMayArriveWhileAScanIsOpen) {
  std::vector<pb::ProcessRecord> records;
  ASSERT_TRUE(store_->begin_scan(meta_of(1, kNoon)));
  for (std::uint32_t n = 0; n < 200; ++n) {
    records.push_back(process(n, kNoon));
    ASSERT_TRUE(add(*store_, records.back()));
    ASSERT_TRUE(store_->append_events("procmond", "s", events(n + 1, n + 1, kNoon)));
  }
  ASSERT_TRUE(store_->finish_scan());
  open();
  EXPECT_EQ(read_all(*store_, 0, kNoon + 1).begin()->second, rows_of(records));
  EXPECT_EQ(stored_events(*store_).size(), 200u);
}

pb::Gap gap(std::uint64_t first, std::uint64_t last, std::int64_t from_ms = kNoon) {
  pb::Gap out;
  out.set_first_sequence(first);
  out.set_last_sequence(last);
  out.set_from_ms(from_ms);
  out.set_to_ms(from_ms + 100);
  out.set_reason("shed");
  return out;
}

TEST_F(Events, AGapMovesTheWatermark) {
  ASSERT_TRUE(store_->append_events("c", "s", events(1, 5, kNoon)));
  const auto outcome = store_->append_gap("c", "s", gap(8, 20));
  ASSERT_TRUE(outcome);
  ASSERT_EQ(outcome->jumps.size(), 1u);  // 6 and 7 are missing without anybody saying so.
  EXPECT_EQ(outcome->jumps[0].first, 6u);
  EXPECT_EQ(outcome->jumps[0].last, 7u);
  ASSERT_TRUE(store_->append_gap("c", "s", gap(6, 7)));  // What the caller does with it: moves nothing.
  open();
  EXPECT_EQ(store_->acked_sequence("c", "s"), 20u);
  const auto next = store_->append_events("c", "s", events(20, 21, kNoon));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->duplicates, 1u);
  EXPECT_TRUE(next->jumps.empty());
}

TEST_F(Events, GapsAreListedOnceAndInRange) {
  ASSERT_TRUE(store_->append_gap("c", "s", gap(1, 4)));
  ASSERT_TRUE(store_->append_gap("c", "s", gap(1, 4)));
  pb::Gap untimed = gap(5, 6);
  untimed.clear_from_ms();
  untimed.clear_to_ms();
  ASSERT_TRUE(store_->append_gap("c", "s", untimed));
  ASSERT_TRUE(store_->append_gap("d", "s", gap(1, 1, kNoon + kHourMs)));
  const auto gaps = store_->list_gaps(kNoon, kNoon + 50);
  ASSERT_TRUE(gaps);
  ASSERT_EQ(gaps->size(), 2u);
  EXPECT_EQ(gaps->at(0).collector, "c");
  EXPECT_EQ(gaps->at(0).spool_id, "s");
  EXPECT_EQ(gaps->at(0).gap.reason(), "shed");
  EXPECT_EQ(gaps->at(1).gap.first_sequence(), 5u);  // Lies where it was recorded.
  EXPECT_EQ(store_->list_gaps(0, INT64_MAX)->size(), 3u);
  EXPECT_EQ(store_->list_gaps(kNoon + 101, kNoon + kHourMs)->size(), 0u);
  EXPECT_EQ(store_->stats()->gaps, 3u);
}

TEST_F(Events, GapsThatAreNoneAreRefused) {
  EXPECT_EQ(store_->append_gap("c", "s", gap(0, 4)).error().code(), Errc::Invalid);
  EXPECT_EQ(store_->append_gap("c", "s", gap(5, 4)).error().code(), Errc::Invalid);
  pb::Gap bad = gap(1, 2);
  bad.set_reason("\xff");
  EXPECT_EQ(store_->append_gap("c", "s", bad).error().code(), Errc::Invalid);
  bad.set_reason(std::string(5000, 'x'));
  EXPECT_EQ(store_->append_gap("c", "s", bad).error().code(), Errc::TooLarge);
  EXPECT_EQ(store_->acked_sequence("c", "s"), 0u);
}

}  // namespace
}  // namespace de::store
