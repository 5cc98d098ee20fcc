// Stored scans read in pieces: the same rows as in one go, however small the pieces are.
#include <functional>

#include "store_fixture.h"

namespace de::store {
namespace {

class History : public StoreTest {
 protected:
  // Every row by scan, `piece` of them at a time.
  std::map<ScanKey, Rows> read(const HistoryFilter& filter, std::size_t piece) {
    std::map<ScanKey, Rows> out;
    const auto reading = store_->read_history(filter);
    calls_ = rows_ = 0;
    for (bool more = true; more; ++calls_) {
      std::size_t taken = 0;
      const auto done = reading->next([&](const ScanMeta& meta, std::uint64_t, const pb::ProcessRecord& record) {
        if (taken == piece) return false;
        ++taken;
        ++rows_;
        Rows& rows = out[{meta.time_ms, meta.collector, meta.scan_id}];
        EXPECT_TRUE(rows.emplace(record.process_uid(), record.SerializeAsString()).second) << "row came twice";
        return true;
      });
      EXPECT_TRUE(done) << (done ? "" : done.error().message());
      more = done && *done;
    }
    return out;
  }
  std::map<ScanKey, Rows> read(std::size_t piece) { return read({}, piece); }

  // 60 scans over two days, with churn.
  void put_scans() {
    Population population(40, 7);
    for (std::uint32_t i = 0; i < 60; ++i) {
      const std::int64_t time = kNoon + i * 30 * 60'000LL;
      clock_.now_ms = time;
      const auto records = population.at(time, false);
      ASSERT_TRUE(store_scan(*store_, meta_of(i, time), records));
      given_[{time, "procmond", i}] = rows_of(records);
      population.step(300, 50, 30);
    }
  }
  // Of what was given, the rows that `wanted` says yes to.
  std::map<ScanKey, Rows> expected(const std::function<bool(const pb::ProcessRecord&)>& wanted) {
    std::map<ScanKey, Rows> out;
    for (const auto& [key, rows] : given_)
      for (const auto& [uid, bytes] : rows) {
        pb::ProcessRecord record;
        EXPECT_TRUE(record.ParseFromString(bytes));
        if (wanted(record)) out[key].emplace(uid, bytes);
      }
    return out;
  }

  std::map<ScanKey, Rows> given_;
  std::size_t calls_ = 0;
  std::size_t rows_ = 0;
};

TEST_F(History, PiecesOfAnySizeMakeTheWhole) {
  put_scans();
  for (const std::size_t piece : {1UL, 3UL, 39UL, 40UL, 41UL, 100'000UL}) EXPECT_EQ(read(piece), given_) << piece;
  EXPECT_EQ(read_all(*store_, 0, INT64_MAX), given_);
}

TEST_F(History, EveryFilterLeavesWhatItNames) {
  put_scans();
  HistoryFilter filter;
  filter.pid = 1007;
  EXPECT_EQ(read(filter, 5), expected([](const auto& r) { return r.pid() == 1007; }));
  filter = {};
  filter.ppid = 1;
  EXPECT_EQ(read(filter, 5), expected([](const auto& r) { return r.ppid() == 1; }));
  filter = {};
  filter.name = "proc-3";
  EXPECT_EQ(read(filter, 5), expected([](const auto& r) { return r.name() == "proc-3"; }));
  filter.name = "PROC-3";  // The index does not care, SQL does.
  EXPECT_TRUE(read(filter, 5).empty());
  filter = {};
  filter.executable_hash = std::string(62, 'a') + "fe";
  EXPECT_EQ(read(filter, 5), expected([&](const auto& r) { return r.executable_hash() == filter.executable_hash; }));
  filter.pid = 1008;  // Its hash is the other one.
  EXPECT_TRUE(read(filter, 5).empty());
  filter = {};
  filter.process_uid = uid_of(5);
  EXPECT_EQ(read(filter, 5), expected([](const auto& r) { return r.process_uid() == uid_of(5); }));
  filter = {};
  filter.scan_id = 44;
  EXPECT_EQ(read(filter, 5).size(), 1U);
  EXPECT_EQ(read(filter, 5).begin()->second, (given_[{kNoon + 44 * 1'800'000LL, "procmond", 44}]));
}

TEST_F(History, AChangeOfAProcessIsAskedAboutAgain) {
  auto record = process(1, kNoon);
  for (std::uint32_t i = 0; i < 4; ++i) {
    record.set_name(i == 2 ? "other" : "usual");
    record.set_collection_time_ms(kNoon + i * 1'000);
    ASSERT_TRUE(store_scan(*store_, meta_of(i, kNoon + i * 1'000), {record}));
  }
  HistoryFilter filter;
  filter.name = "usual";
  EXPECT_EQ(read(filter, 1).size(), 3U);
  filter.name = "other";
  EXPECT_EQ(read(filter, 1).size(), 1U);
}

TEST_F(History, TheRangeIsThatOfTheScans) {
  put_scans();
  HistoryFilter filter;
  filter.from_ms = kNoon + 10 * 1'800'000LL;
  filter.to_ms = kNoon + 20 * 1'800'000LL;
  const auto found = read(filter, 7);
  ASSERT_EQ(found.size(), 10U);
  EXPECT_EQ(std::get<2>(found.begin()->first), 10U);
  EXPECT_EQ(std::get<2>(found.rbegin()->first), 19U);
  filter.to_ms = filter.from_ms;
  EXPECT_TRUE(read(filter, 7).empty());
  filter = {};
  filter.from_ms = INT64_MIN;
  filter.to_ms = INT64_MAX;
  EXPECT_EQ(read(filter, 1000), given_);
}

TEST_F(History, WhoFindsNothingIsAskedNowAndThenWhetherToGoOn) {
  for (std::uint32_t i = 0; i < 200; ++i) {
    const std::int64_t time = kNoon + i * 1'000LL;
    ASSERT_TRUE(store_scan(*store_, meta_of(i, time), {process(i % 2, time)}));
  }
  HistoryFilter filter;
  filter.process_uid = uid_of(99);
  EXPECT_TRUE(read(filter, 10).empty());
  EXPECT_GE(calls_, 3U);
}

TEST_F(History, WritingGoesOnWhileSomebodyReads) {
  put_scans();
  const auto reading = store_->read_history({});
  std::size_t rows = 0;
  for (bool more = true; more;) {
    std::size_t taken = 0;
    const auto done = reading->next([&](const auto&, std::uint64_t, const auto&) {
      if (taken == 16) return false;
      ++taken;
      ++rows;
      return true;
    });
    ASSERT_TRUE(done);
    more = *done;
    // Before where the reading has been already.
    ASSERT_TRUE(store_scan(*store_, meta_of(1'000 + rows, kNoon - 5), {process(1, kNoon)}));
  }
  std::size_t expected = 0;
  for (const auto& [key, given] : given_) expected += given.size();
  EXPECT_EQ(rows, expected);
}

}  // namespace
}  // namespace de::store
