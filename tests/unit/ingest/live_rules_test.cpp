#include "ingest/live_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace de::ingest {
namespace {

LiveJob job_of(const std::string& id, std::int64_t from_ms = mirror::kNoStartMs,
               std::int64_t to_ms = mirror::kNoEndMs) {
  auto rule = std::make_shared<detect::Rule>();
  rule->id = id;
  return {std::move(rule), from_ms, to_ms};
}

TEST(LiveJobs, ThoseThatBelongTogetherAreOne) {
  LiveJobs jobs;
  jobs.add(job_of("a", 1'000, 1'001));
  jobs.add(job_of("a", 1'020, 1'021));
  jobs.add(job_of("a", 5'000, 5'001));
  jobs.add(job_of("b", 1'000, 1'001));
  jobs.add(job_of("a"));
  jobs.add(job_of("a"));
  const LiveJob first = jobs.pop();
  EXPECT_EQ(first.from_ms, 1'000);
  EXPECT_EQ(first.to_ms, 1'021);
  EXPECT_EQ(jobs.pop().from_ms, 5'000);
  EXPECT_EQ(jobs.pop().rule->id, "b");
  EXPECT_EQ(jobs.pop().from_ms, mirror::kNoStartMs);
  EXPECT_TRUE(jobs.is_empty());
}

TEST(LiveJobs, MoreThanThereIsRoomForAreShedAndCounted) {
  LiveJobs jobs;
  for (std::size_t i = 0; i < LiveJobs::kMax + 5; ++i) jobs.add(job_of("r" + std::to_string(i)));
  EXPECT_EQ(jobs.shed(), 5U);
}

TEST(LiveBudget, IsOfAMinuteAndOfARule) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  LiveBudget budget(60);
  EXPECT_EQ(budget.left("a", kSecond), 60U);
  budget.spend("a", 50);
  EXPECT_EQ(budget.left("a", 2 * kSecond), 10U);
  budget.spend("a", 20);
  EXPECT_EQ(budget.left("a", 3 * kSecond), 0U);
  EXPECT_EQ(budget.left("b", 3 * kSecond), 60U);
  EXPECT_EQ(budget.left("a", 62 * kSecond), 60U);
}

}  // namespace
}  // namespace de::ingest
