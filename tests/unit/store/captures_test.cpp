// What traces captured: found again by time, rule and process; the oldest makes room.
#include "store/capture_log.h"

#include <gmock/gmock.h>

#include "store_fixture.h"

namespace de::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Captures : public StoreTest {
 protected:
  StoreOptions options() const override {
    StoreOptions out = StoreTest::options();
    out.max_capture_bytes = 4UL << 20;
    return out;
  }
  Result<> put(std::int64_t time_ms, std::uint32_t pid, const std::string& rule = "r", std::size_t bytes = 10) {
    pb::Capture capture;
    capture.set_time_ms(time_ms);
    capture.set_pid(pid);
    capture.set_rule_id(rule);
    pb::CapturedItem& item = *capture.add_items();
    item.set_kind("open_file");
    item.set_value(std::string(bytes, '\xff'));  // Bytes as a process chose them.
    return store_->put_capture(capture);
  }
  std::vector<std::uint32_t> pids(CaptureFilter filter = {}) {
    std::vector<std::uint32_t> out;
    for (pages_ = 0;;) {
      const auto page = store_->read_captures(filter);
      EXPECT_TRUE(page) << page.error().message();
      for (const pb::Capture& one : page->captures) out.push_back(one.pid());
      ++pages_;
      if (page->after.empty()) return out;
      filter.after = page->after;
    }
  }
  static CaptureFilter between(std::int64_t from_ms, std::int64_t to_ms) {
    CaptureFilter out;
    out.from_ms = from_ms;
    out.to_ms = to_ms;
    return out;
  }
  static CaptureFilter of_rule(const std::string& id) {
    CaptureFilter out;
    out.rule_id = id;
    return out;
  }
  static CaptureFilter of_process(std::uint32_t pid) {
    CaptureFilter out;
    out.pid = pid;
    return out;
  }
  std::size_t pages_ = 0;
};

TEST_F(Captures, AreFoundAgainInTheirOrder) {
  ASSERT_TRUE(put(kNoon + 1, 2));
  ASSERT_TRUE(put(kNoon, 1));
  ASSERT_TRUE(put(kNoon + 1, 3, "other"));
  ASSERT_TRUE(put(-5, 9));
  open();
  EXPECT_THAT(pids(), ElementsAre(9, 1, 2, 3)) << "two at one time, and a clock before 1970";
  EXPECT_THAT(pids(between(kNoon, kNoon + 1)), ElementsAre(1));
  EXPECT_THAT(pids(between(kNoon + 1, INT64_MAX)), ElementsAre(2, 3));
  EXPECT_THAT(pids(of_rule("other")), ElementsAre(3));
  EXPECT_THAT(pids(of_process(2)), ElementsAre(2));
  EXPECT_THAT(pids(between(0, INT64_MIN)), IsEmpty());
  EXPECT_EQ(store_->stats()->captures, 4U);
}

TEST_F(Captures, ComeInPages) {
  for (std::uint32_t i = 0; i < 200; ++i) ASSERT_TRUE(put(kNoon + i / 3, i, i % 2 == 0 ? "even" : "odd"));
  EXPECT_EQ(pids().size(), 200U);
  EXPECT_EQ(pages_, 4U);
  EXPECT_EQ(pids(of_rule("odd")).size(), 100U);
}

TEST_F(Captures, TheOldestMakesRoom) {
  for (std::uint32_t i = 0; i < 20; ++i) ASSERT_TRUE(put(kNoon + i, i, "r", 500'000));
  const std::vector<std::uint32_t> kept = pids();
  EXPECT_LT(kept.size(), 12U);
  EXPECT_GE(kept.size(), 1U);
  EXPECT_EQ(kept.back(), 19U);
  EXPECT_EQ(kept.front(), 20U - kept.size());
  EXPECT_EQ(store_->stats()->captures_removed, 20U - kept.size());
}

TEST_F(Captures, WhatIsTooLargeIsRefused) {
  EXPECT_EQ(put(kNoon, 1, "r", 2UL << 20).error().code(), Errc::TooLarge);
  EXPECT_EQ(put(kNoon, 1, "\xff").error().code(), Errc::Invalid);
  EXPECT_THAT(pids(), IsEmpty());
}

TEST_F(Captures, GoWithTheDaysTheyAreOf) {
  ASSERT_TRUE(put(kNoon - 40 * kDay, 1));
  ASSERT_TRUE(put(kNoon, 2));
  ASSERT_TRUE(store_->enforce_retention());
  EXPECT_THAT(pids(), ElementsAre(2));
}

}  // namespace
}  // namespace de::store
