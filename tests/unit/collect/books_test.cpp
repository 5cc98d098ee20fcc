#include "collect/books.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect/linux/bpf_feed.h"
#include "daemoneye/base/clock.h"
#include "kernel_support.h"

namespace de::collect {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000;

CloneCheck::Sample of(std::uint64_t before, std::uint64_t total, std::uint64_t after) {
  return [=] { return std::optional<CloneSample>({before, total, after}); };
}

TEST(CloneCheck, WhatMovesTogetherIsBalanced) {
  CloneCheck check;
  EXPECT_EQ(check.check(of(10, 1'010, 10), kNowMs), 0);
  EXPECT_EQ(check.check(of(20, 1'020, 20), kNowMs), 0);
  EXPECT_EQ(check.check(of(30, 1'035, 40), kNowMs), 0) << "some came between the readings";
  EXPECT_EQ(check.missed(), 0);
}

TEST(CloneCheck, ADifferenceIsExactAndSaidOnce) {
  CloneCheck check;
  (void)check.check(of(10, 1'010, 10), kNowMs);
  EXPECT_EQ(check.check(of(20, 1'023, 20), kNowMs), 3);
  EXPECT_EQ(check.check(of(30, 1'033, 30), kNowMs), 0);
  EXPECT_EQ(check.check(of(50, 1'052, 50), kNowMs), -1);
  EXPECT_EQ(check.missed(), 2);
}

TEST(CloneCheck, ADifferenceCountsForAnHour) {
  CloneCheck check;
  FeedCounts counts;
  counts.clones = counts.threads = 50;
  const auto book = [&](std::int64_t now_ms) { return judge(counts, 0, check, now_ms).at(2); };
  (void)check.check(of(10, 1'010, 10), kNowMs);
  EXPECT_EQ(book(kNowMs).level(), pb::Finding::OK);
  (void)check.check(of(20, 1'023, 20), kNowMs);
  (void)check.check(of(30, 1'033, 30), kNowMs + 60'000);
  EXPECT_EQ(book(kNowMs + 3'599'999).level(), pb::Finding::FAILED);
  EXPECT_EQ(book(kNowMs + 3'600'000).level(), pb::Finding::OK);
  EXPECT_EQ(book(kNowMs + 3'600'000).detail(), "3 more in /proc/stat since procmond started, none in the last hour");
}

TEST(CloneCheck, ACloneInTheMakingIsNoDifference) {
  CloneCheck check;
  (void)check.check(of(10, 1'010, 10), kNowMs);
  int looks = 0;
  EXPECT_EQ(
      check.check(
          [&] {
            return std::optional<CloneSample>(++looks < 3 ? CloneSample{10, 1'011, 10} : CloneSample{11, 1'011, 11});
          },
          kNowMs),
      0);
}

TEST(FeedBooks, ADifferenceIsAFailureOfThatBook) {
  FeedCounts counts;
  counts.happened = 30;
  counts.forks = counts.execs = counts.exits = 10;
  counts.clones = 12;
  counts.fork_calls = 10;
  counts.threads = 2;
  for (const pb::Finding& finding : judge(counts, 0, {}, kNowMs))
    EXPECT_EQ(finding.level(), pb::Finding::OK) << finding.detail();
  counts.exits = 9;
  EXPECT_EQ(judge(counts, 0, {}, kNowMs)[0].level(), pb::Finding::FAILED);
  counts.dropped = 1;
  EXPECT_EQ(judge(counts, 0, {}, kNowMs)[0].level(), pb::Finding::OK);
  EXPECT_EQ(judge(counts, 1, {}, kNowMs)[0].level(), pb::Finding::FAILED);
  counts.threads = 1;
  EXPECT_EQ(judge(counts, 0, {}, kNowMs)[1].level(), pb::Finding::FAILED);
}

// The kernel's own count and that of our programs in it, while others start processes and threads, too.
TEST(FeedBooks, OursAndTheKernelsCountAgree) {
  auto feed = open_bpf({}, system_clock());
  ASSERT_TRUE(feed || !test::bpf_must_work()) << feed.error().message();
  if (!feed) GTEST_SKIP() << feed.error().message();
  CloneCheck check;
  const auto sample = [&]() -> std::optional<CloneSample> {
    CloneSample now;
    now.before = (*feed)->counts().clones;
    now.total = read_clone_total().value_or(0);
    now.after = (*feed)->counts().clones;
    return now;
  };
  ASSERT_EQ(check.check(sample, kNowMs), 0);
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_EQ(check.check(sample, kNowMs), 0);
  }
  EXPECT_EQ(check.missed(), 0);
}

}  // namespace
}  // namespace de::collect
