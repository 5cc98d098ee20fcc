// Snapshots as they were.
#include "ingest/past_snapshot.h"

#include "intake_fixture.h"

namespace de::ingest {
namespace {

using testing::HasSubstr;

class PastSnapshots : public IntakeTest {
 protected:
  void scan(std::uint64_t id, std::int64_t time_ms, std::initializer_list<std::uint32_t> pids) {
    pb::ScanSummary summary;
    summary.set_seen(static_cast<std::uint32_t>(pids.size()));
    summary.set_reported(static_cast<std::uint32_t>(pids.size()));
    clock_.now_ms = time_ms;
    ASSERT_TRUE(store_->begin_scan({id, time_ms, "procmond", {}}));
    for (const std::uint32_t pid : pids) {
      const pb::ProcessRecord record = process(pid);
      ASSERT_TRUE(store_->add(record, record.SerializeAsString()));
    }
    ASSERT_TRUE(store_->finish_scan(summary));
  }
  // "scan:pid,pid" of that time, or the error.
  std::string pids_at(std::int64_t at_ms) {
    auto past = past_snapshot(*store_, at_ms);
    if (!past) return past.error().message();
    reasons_.clear();
    for (const pb::Reason& reason : past->completeness.reasons()) reasons_ += reason.reason() + ": " + reason.detail();
    EXPECT_EQ(past->completeness.complete(), reasons_.empty());
    auto session = std::move(*mirror::Session::create(mirror::Origin::AdHoc, clock_));
    EXPECT_TRUE(session->load(past->image));
    std::string out;
    const auto outcome = session->run(
        "SELECT scan_id || ':' || group_concat(pid) FROM (SELECT * FROM processes ORDER BY pid)", {},
        {1'000'000'000, 32 << 20, 10, 1 << 20}, [](auto) {},
        [&](std::span<const mirror::Value> row) {
          out = std::get<std::string_view>(row[0]);
          return true;
        });
    EXPECT_TRUE(outcome);
    return out;
  }

  std::string reasons_;
};

TEST_F(PastSnapshots, AreTheLastOneBefore) {
  scan(1, kNoon, {1, 2});
  scan(2, kNoon + 30'000, {1, 2, 3});
  scan(3, kNoon + 60'000, {1, 3});
  EXPECT_EQ(pids_at(kNoon), "1:1,2");
  EXPECT_EQ(pids_at(kNoon + 29'999), "1:1,2");
  EXPECT_EQ(pids_at(kNoon + 30'000), "2:1,2,3");
  EXPECT_EQ(pids_at(kNoon + 61'000), "3:1,3");
  EXPECT_EQ(reasons_, "");
}

TEST_F(PastSnapshots, BeforeTheFirstThereIsNone) {
  EXPECT_THAT(pids_at(kNoon), HasSubstr("none is stored"));
  scan(1, kNoon, {1});
  EXPECT_THAT(
      pids_at(kNoon - 1),
      HasSubstr("no snapshot of 2026-01-02T11:59:59.999Z or before; the oldest is of 2026-01-02T12:00:00.000Z"));
  EXPECT_THAT(pids_at(-5), HasSubstr("no snapshot"));
}

TEST_F(PastSnapshots, WhatIsTooOldForItsTimeIsSaid) {
  scan(1, kNoon, {1});
  scan(2, kNoon + 30'000, {1});
  EXPECT_EQ(pids_at(kNoon + 120'000), "2:1");
  EXPECT_EQ(reasons_, "");
  EXPECT_EQ(pids_at(kNoon + 121'000), "2:1");
  EXPECT_THAT(reasons_,
              HasSubstr("CollectorUnavailable: the last snapshot before is of 2026-01-02T12:00:30.000Z, 91 s earlier"));
  EXPECT_EQ(pids_at(kNoon + 5 * 86'400'000LL), "2:1");
  EXPECT_THAT(reasons_, HasSubstr("CollectorUnavailable"));
}

TEST_F(PastSnapshots, WhatItLackedThenItLacksNow) {
  pb::ScanSummary summary;
  summary.set_seen(5);
  summary.set_reported(3);
  ASSERT_TRUE(store_->begin_scan({1, kNoon, "procmond", {}}));
  const pb::ProcessRecord record = process(7);
  ASSERT_TRUE(store_->add(record, record.SerializeAsString()));
  ASSERT_TRUE(store_->finish_scan(summary));
  EXPECT_EQ(pids_at(kNoon), "1:7");
  EXPECT_THAT(reasons_, HasSubstr("of 5 processes 2 were neither reported nor gone"));
  EXPECT_THAT(reasons_, HasSubstr("reported 3 processes, 1 arrived"));
}

TEST_F(PastSnapshots, OneOfSeveralCollectorsAtATime) {
  ASSERT_TRUE(store_->begin_scan({1, kNoon, "a", {}}));
  ASSERT_TRUE(store_->add(process(1), process(1).SerializeAsString()));
  ASSERT_TRUE(store_->finish_scan({}));
  ASSERT_TRUE(store_->begin_scan({9, kNoon, "b", {}}));
  ASSERT_TRUE(store_->add(process(2), process(2).SerializeAsString()));
  ASSERT_TRUE(store_->finish_scan({}));
  EXPECT_EQ(pids_at(kNoon), "9:2");
}

}  // namespace
}  // namespace de::ingest
