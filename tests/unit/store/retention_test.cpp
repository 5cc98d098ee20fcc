// Whole days go, oldest first, and say so.
#include <fstream>

#include "store_fixture.h"

namespace de::store {
namespace {

class Retention : public StoreTest {
 protected:
  void SetUp() override {}
  void open_with(std::uint32_t days, std::uint64_t bytes) {
    store_.reset();
    StoreOptions with = options();
    with.retention_days = days;
    with.max_bytes = bytes;
    auto opened = Store::open(with, clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = std::move(*opened);
  }
  // One scan and ten events on each of the last `days` days, the oldest first.
  void fill(int days) {
    const std::int64_t today = clock_.now_ms;
    for (int back = days - 1; back >= 0; --back) {
      const std::int64_t time = today - back * kDay;
      clock_.now_ms = time;
      const std::uint64_t first = store_->acked_sequence("c", "s") + 1;
      ASSERT_TRUE(store_->append_events("c", "s", events(first, first + 9, time)));
      ASSERT_TRUE(store_scan(*store_, meta_of(first, time), {process(1, time)}));
    }
    clock_.now_ms = today;
  }
  std::vector<std::string> days() const {
    std::vector<std::string> out;
    const auto stats = store_->stats();
    for (const DayStats& day : stats->days) out.push_back(day.day);
    return out;
  }
  bool on_disk(const std::string& name) const { return std::filesystem::exists(dir_ / ("store/" + name)); }
};

TEST_F(Retention, DaysThatAreTooOldGo) {
  open_with(3, 1 << 30);
  fill(6);
  const auto removed = store_->enforce_retention();
  ASSERT_TRUE(removed) << removed.error().message();
  ASSERT_EQ(removed->size(), 2u);
  EXPECT_EQ(removed->at(0).day, "2025-12-28");
  EXPECT_EQ(removed->at(1).day, "2025-12-29");
  EXPECT_EQ(removed->at(0).reason, "older than 3 days");
  EXPECT_GT(removed->at(0).bytes, 0u);
  EXPECT_EQ(days(), (std::vector<std::string>{"2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02"}));
  EXPECT_FALSE(on_disk("2025-12-28"));
  EXPECT_EQ(stored_events(*store_).size(), 40u);
  EXPECT_TRUE(store_->enforce_retention()->empty());
}

TEST_F(Retention, WhatIsKeptCanChangeWhileItRuns) {
  open_with(10, 1 << 30);
  fill(6);
  EXPECT_TRUE(store_->enforce_retention()->empty());
  store_->keep(3, 1 << 30);
  const auto removed = store_->enforce_retention();
  ASSERT_TRUE(removed) << removed.error().message();
  ASSERT_EQ(removed->size(), 2u);
  EXPECT_EQ(removed->at(0).reason, "older than 3 days");
  EXPECT_EQ(days().size(), 4u);
  store_->keep(10, 1);
  EXPECT_EQ(store_->enforce_retention()->size(), 3u) << "never today";
}

TEST_F(Retention, TooManyBytesGoOldestFirstAndNeverToday) {
  open_with(30, 1 << 30);
  fill(5);
  const std::uint64_t total = store_->stats()->bytes;
  const std::uint64_t one_day = store_->stats()->days.at(0).bytes;
  open_with(30, total - one_day - one_day / 2);
  const auto removed = store_->enforce_retention();
  ASSERT_TRUE(removed);
  ASSERT_EQ(removed->size(), 2u);
  EXPECT_EQ(removed->at(0).day, "2025-12-29");
  EXPECT_EQ(removed->at(0).reason, "store over " + std::to_string(total - one_day - one_day / 2) + " bytes");
  EXPECT_LE(store_->stats()->bytes, total - one_day - one_day / 2);
  open_with(30, 1);
  ASSERT_TRUE(store_->enforce_retention());
  EXPECT_EQ(days(), (std::vector<std::string>{"2026-01-02"}));
  ASSERT_TRUE(store_scan(*store_, meta_of(99, kNoon + 1), {process(1, kNoon + 1)}));
}

TEST_F(Retention, WatermarksOutliveTheirDays) {
  open_with(2, 1 << 30);
  fill(1);
  clock_.now_ms += 40 * kDay;
  ASSERT_EQ(store_->enforce_retention()->size(), 1u);
  open_with(2, 1 << 30);
  EXPECT_TRUE(days().empty());
  EXPECT_EQ(store_->acked_sequence("c", "s"), 10u);
  const auto again = store_->append_events("c", "s", events(5, 11, clock_.now_ms));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->duplicates, 6u);
  EXPECT_EQ(again->stored, 1u);
}

TEST_F(Retention, TheChainThatLivedThereStartsOver) {
  open_with(1, 1 << 30);
  fill(1);
  clock_.now_ms += 5 * kDay;
  ASSERT_EQ(store_->enforce_retention()->size(), 1u);
  ASSERT_TRUE(store_scan(*store_, meta_of(2, clock_.now_ms), {process(1, clock_.now_ms), process(2, clock_.now_ms)}));
  EXPECT_EQ(read_all(*store_, 0, INT64_MAX).size(), 1u);
}

TEST_F(Retention, OldGapsGoAndAreCounted) {
  open_with(2, 1 << 30);
  pb::Gap gap;
  gap.set_first_sequence(1);
  gap.set_last_sequence(9);
  ASSERT_TRUE(store_->append_gap("c", "s", gap));
  ASSERT_TRUE(store_->enforce_retention());
  EXPECT_EQ(store_->stats()->gaps, 1u);
  clock_.now_ms += 4 * kDay;
  ASSERT_TRUE(store_->enforce_retention());
  EXPECT_EQ(store_->stats()->gaps, 0u);
  EXPECT_EQ(store_->stats()->gaps_removed, 1u);
  EXPECT_EQ(store_->acked_sequence("c", "s"), 9u);
}

TEST_F(Retention, QuarantinedAndHalfRemovedDaysGoToo) {
  open_with(3, 1 << 30);
  fill(1);
  store_.reset();
  std::filesystem::create_directory(dir_ / "store/2025-11-01.quarantined");
  std::ofstream(dir_ / "store/2025-11-01.quarantined/reason") << "checksum does not match\n";
  std::filesystem::create_directory(dir_ / "store/2025-11-02.removing");
  std::ofstream(dir_ / "store/2025-11-02.removing/data.mdb") << "x";
  std::filesystem::create_directory(dir_ / "store/2025-11-03-not-ours");
  open_with(3, 1 << 30);
  EXPECT_FALSE(on_disk("2025-11-02.removing"));
  ASSERT_EQ(store_->stats()->quarantined.size(), 1u);
  EXPECT_EQ(store_->stats()->quarantined[0].reason, "checksum does not match");
  const auto removed = store_->enforce_retention();
  ASSERT_TRUE(removed);
  ASSERT_EQ(removed->size(), 1u);
  EXPECT_EQ(removed->at(0).day, "2025-11-01");
  EXPECT_TRUE(store_->stats()->quarantined.empty());
  EXPECT_TRUE(on_disk("2025-11-03-not-ours"));
}

TEST_F(Retention, TakesTheReserveBack) {
  open_with(3, 1 << 30);
  EXPECT_TRUE(store_->stats()->reserve_held);
  EXPECT_GE(store_->stats()->bytes, 1u << 20);
  ASSERT_TRUE(store_->release_reserve());
  ASSERT_TRUE(store_->release_reserve());
  EXPECT_FALSE(store_->stats()->reserve_held);
  ASSERT_TRUE(store_->enforce_retention());
  EXPECT_TRUE(store_->stats()->reserve_held);
}

}  // namespace
}  // namespace de::store
