// What is left of a spool after crashes, damage and power cuts.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <random>
#include <set>

#include "spool_fixture.h"

namespace de::spool {
namespace {

using RecoveryTest = SpoolTest;

TEST_F(RecoveryTest, WithoutAStateNoNumberIsUsedAgain) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 10));
  }
  const std::string file = segments().front();
  const std::string whole = slurp(file);
  std::filesystem::remove(options_.dir + "/spool.state");
  put(file, whole.substr(0, whole.size() - 5));
  const auto spool = open();
  EXPECT_GT(spool->counts().torn_bytes, 0u);
  ASSERT_TRUE(add(*spool, 1));
  const Content content = read_all(*spool, 0);
  EXPECT_EQ(content.events.size(), 10u);
  ASSERT_EQ(content.gaps.size(), 1u);
  EXPECT_EQ(content.gaps[0].first_sequence(), 10u);
  EXPECT_TRUE(content.gaps[0].at_most());
}

// What the process had written when it was killed is in the page cache; when the machine stopped, it may not be.
class PowerCut : public SpoolTest {
 protected:
  // Appends 10, then the state and the segment as they are at that moment.
  void run_and_die() {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 10));
    state_ = slurp(options_.dir + "/spool.state");
    segment_ = slurp(segments().front());
  }
  void put_back(std::size_t cut_bytes) {
    put(options_.dir + "/spool.state", state_);
    put(segments().front(), segment_.substr(0, segment_.size() - cut_bytes));
  }
  void reboot() { options_.boot_id[0] = '9'; }
  std::string state_, segment_;
};

TEST_F(PowerCut, AKillLosesNothing) {
  ASSERT_NO_FATAL_FAILURE(run_and_die());
  put_back(0);
  const auto spool = open();
  EXPECT_EQ(spool->last_sequence(), 10u);
  EXPECT_TRUE(read_all(*spool, 0).gaps.empty());
}

TEST_F(PowerCut, WhatWasNotSyncedIsInDoubtAndNoNumberComesTwice) {
  ASSERT_NO_FATAL_FAILURE(run_and_die());
  reboot();
  put_back(segment_.size() / 2);
  const auto spool = open();
  const Content content = read_all(*spool, 0);
  EXPECT_LT(content.events.size(), 10u);
  ASSERT_EQ(content.gaps.size(), 1u);
  EXPECT_TRUE(content.gaps[0].at_most());
  EXPECT_EQ(content.gaps[0].first_sequence(), content.events.size() + 1);
  EXPECT_LE(content.gaps[0].last_sequence(), 10 + kReservedNumbers);
  EXPECT_GE(content.gaps[0].last_sequence(), 10u) << "10 may have been published";
  const std::uint64_t before = spool->last_sequence();
  ASSERT_TRUE(add(*spool, 1));
  EXPECT_EQ(spool->last_sequence(), before + 1);
}

TEST_F(PowerCut, AfterACleanEndNothingIsInDoubt) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 10));
  }
  reboot();
  const auto spool = open();
  EXPECT_EQ(spool->last_sequence(), 10u);
  EXPECT_TRUE(read_all(*spool, 0).gaps.empty());
}

TEST_F(PowerCut, DamageNeverTakesMoreNumbersThanWereReserved) {
  options_ = {root_ + "/spool", 64UL << 20, 1UL << 20, options_.boot_id};
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 3'000));
    state_ = slurp(options_.dir + "/spool.state");
    segment_ = slurp(segments().front());
  }
  std::fill(segment_.begin() + 1'000, segment_.end(), '\xFF');
  put_back(0);
  const auto spool = open();
  EXPECT_GE(spool->last_sequence(), 3'000u) << "they may have been published";
  EXPECT_LE(spool->last_sequence(), 3'000 + kReservedNumbers);
}

TEST_F(PowerCut, NumbersAreReservedBeforeTheyRunOut) {
  options_.max_bytes = 64 * 1024 * 1024;
  options_.segment_bytes = 1024 * 1024;
  {
    const auto spool = open();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(add(*spool, 1'000));
    state_ = slurp(options_.dir + "/spool.state");
    segment_ = slurp(segments().front());
  }
  for (const std::string& file : segments()) std::filesystem::remove(file);
  put(options_.dir + "/" + segment_name(1), segment_.substr(0, kSegmentHeaderBytes));
  put(options_.dir + "/spool.state", state_);
  reboot();
  const auto spool = open();
  EXPECT_GE(spool->last_sequence(), 20'000u);
  EXPECT_EQ(read_all(*spool, 0).lost(), spool->last_sequence());
}

TEST_F(RecoveryTest, ATornRecordThatWasCountedIsAGap) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 10));
  }
  const std::string file = segments().front();
  put(file, slurp(file).substr(0, slurp(file).size() - 5));
  const auto spool = open();  // The state says 10 were given out: the number may have been published.
  EXPECT_EQ(spool->last_sequence(), 10u);
  const Content content = read_all(*spool, 0);
  EXPECT_EQ(content.events.size(), 9u);
  EXPECT_EQ(content.lost(), 1u);
}

// One file, every byte damaged once: nothing invented, nothing missing without a gap, and never a number twice.
TEST_F(RecoveryTest, EveryDamagedByteIsAGapOrHarmless) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 4));
  }
  const std::string file = segments().front();
  const std::string whole = slurp(file);
  const std::string state = slurp(options_.dir + "/spool.state");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    // Without a state only the header knows the id, so it has to be whole then.
    const bool in_header = i < kSegmentHeaderBytes;
    const bool with_state = in_header || i % 4 != 0;
    const char mask = static_cast<char>(i % 3 == 0 ? 0x01 : i % 3 == 1 ? 0x10 : 0xFF);
    std::filesystem::remove_all(options_.dir);
    std::filesystem::create_directory(options_.dir);
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ mask);
    put(file, changed);
    if (with_state) put(options_.dir + "/spool.state", state);
    const auto spool = open();
    ASSERT_TRUE(spool) << i;
    const Content content = read_all(*spool, 0);
    EXPECT_GE(spool->last_sequence(), 4u) << i;
    EXPECT_EQ(content.events.size(), in_header ? 4u : 3u) << i;
    EXPECT_EQ(content.gaps.empty(), in_header) << i;
    EXPECT_GE(spool->counts().damaged_regions, 1u) << i;
    const std::uint64_t last = spool->last_sequence();
    ASSERT_TRUE(add(*spool, 1));
    EXPECT_EQ(spool->last_sequence(), last + 1);
  }
}

TEST_F(RecoveryTest, DamageInTheMiddleIsOneGapWithTheTimesAround) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 500));
  }
  const std::string file = segments()[1];
  std::string bytes = slurp(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
  put(file, bytes);
  const auto spool = open();
  const Content content = read_all(*spool, 0);
  EXPECT_EQ(content.events.size(), 499u);
  ASSERT_EQ(content.gaps.size(), 1u);
  const pb::Gap& gap = content.gaps.front();
  EXPECT_EQ(gap.first_sequence(), gap.last_sequence());
  EXPECT_EQ(gap.from_ms(), static_cast<std::int64_t>((gap.first_sequence() - 1) * 100));
  EXPECT_EQ(gap.to_ms(), static_cast<std::int64_t>((gap.first_sequence() + 1) * 100));
  EXPECT_NE(gap.reason().find("damaged"), std::string::npos);
}

TEST_F(RecoveryTest, DamageWhileRunningIsAGap) {
  const auto spool = open();
  ASSERT_TRUE(add(*spool, 500));
  const std::string first = segments()[0];
  std::string bytes = slurp(first);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
  put(first, bytes);
  Content content = read_all(*spool, 0);
  EXPECT_EQ(content.events.size(), 499u);
  EXPECT_EQ(content.lost(), 1u);
  std::filesystem::remove(segments()[1]);
  content = read_all(*spool, 0);
  EXPECT_EQ(content.events.size() + content.lost(), 500u);
  EXPECT_EQ(content.gaps.size(), 2u);
}

TEST_F(RecoveryTest, AMissingSegmentIsAGap) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 500));
  }
  ASSERT_GT(segments().size(), 3u);
  std::filesystem::remove(segments()[1]);
  const auto spool = open();
  const Content content = read_all(*spool, 0);
  EXPECT_EQ(content.gaps.size(), 1u);
  EXPECT_EQ(content.events.size() + content.lost(), 500u);
}

TEST_F(RecoveryTest, ForeignSegmentsAreSetAside) {
  std::string foreign;
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 5));
    foreign = slurp(segments().front());
  }
  std::filesystem::remove_all(options_.dir);
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 5));
  }
  put(options_.dir + "/" + segment_name(7), foreign);
  const auto spool = open();
  EXPECT_TRUE(std::filesystem::exists(options_.dir + "/" + segment_name(7) + ".foreign"));
  EXPECT_EQ(read_all(*spool, 0).events.size(), 5u);
  ASSERT_TRUE(add(*spool, 5));
  EXPECT_EQ(read_all(*spool, 0).events.size(), 10u);
}

TEST_F(RecoveryTest, LeftoverOfAnInterruptedShedIsNotReadAgain) {
  const std::string saved = root_ + "/saved.seg";
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 100));
    std::filesystem::copy_file(segments().front(), saved);
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(add(*spool, 10));
  }
  std::filesystem::copy_file(saved, options_.dir + "/" + segment_name(1));
  const auto spool = open();
  const Content content = read_all(*spool, 0);
  ASSERT_EQ(content.gaps.size(), 1u);
  EXPECT_EQ(content.gaps.front().first_sequence(), 1u);
  EXPECT_EQ(content.events.size() + content.lost(), 2100u);
}

TEST_F(RecoveryTest, HeaderCutShortAtCreationIsRemoved) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 5));
  }
  put(options_.dir + "/" + segment_name(2), "DESPOOL");
  const auto spool = open();
  EXPECT_EQ(spool->counts().damaged_regions, 0u);
  ASSERT_TRUE(add(*spool, 300));
  EXPECT_EQ(read_all(*spool, 0).events.size(), 305u);
}

// Files are used again: whenever the end comes, what is left of an earlier use is neither read nor reported.
TEST_F(RecoveryTest, FilesAreUsedAgainAndAKillAtAnyTimeLosesNothing) {
  constexpr std::uint64_t kWaiting = 25;
  std::set<ino_t> files;
  const auto spool = open();
  const SpoolOptions running = options_;
  for (int round = 0; round < 300; ++round) {
    ASSERT_TRUE(add(*spool, 1 + static_cast<std::size_t>(round % 20), static_cast<std::size_t>(round * 7 % 90)));
    ASSERT_TRUE(spool->acknowledge(spool->last_sequence() - std::min(spool->last_sequence(), kWaiting)));
    for (const std::string& name : segments()) {
      struct stat info {};
      ASSERT_EQ(::stat(name.c_str(), &info), 0);
      files.insert(info.st_ino);
    }
    options_.dir = root_ + "/as-it-was";
    std::filesystem::remove_all(options_.dir);
    std::filesystem::copy(running.dir, options_.dir);
    const auto left = open();
    ASSERT_TRUE(left);
    EXPECT_EQ(left->last_sequence(), spool->last_sequence()) << round;
    const Content content = read_all(*left, 0);
    EXPECT_EQ(content.events.size(), spool->last_sequence() - spool->acked_sequence()) << round;
    EXPECT_TRUE(content.gaps.empty()) << round;
    EXPECT_EQ(left->counts().damaged_regions, 0u) << round;
    options_ = running;
  }
  EXPECT_EQ(spool->last_sequence(), 3'150u);
  EXPECT_LE(files.size(), 3u) << "one written to, the one before it, and the one that is next";
}

TEST_F(RecoveryTest, AFileThatGotItsNameBackButNotItsHeaderIsEmpty) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 300));
  }
  const std::size_t count = segments().size();
  ASSERT_GT(count, 1u);
  std::filesystem::copy_file(segments().front(),
                             options_.dir + "/" + segment_name(static_cast<std::uint32_t>(count + 1)));
  const auto spool = open();
  EXPECT_EQ(spool->counts().damaged_regions, 0u);
  EXPECT_EQ(spool->last_sequence(), 300u);
  ASSERT_TRUE(add(*spool, 300));
  EXPECT_EQ(read_all(*spool, 0).events.size(), 600u);
}

// What was synced before a SIGKILL is there after it, contiguous, and the next numbers follow.
TEST_F(RecoveryTest, SyncedEventsSurviveAKillAnywhere) {
  options_.max_bytes = 64 * 1024 * 1024;
  std::mt19937 random(12345);
  std::uint64_t promised = 0;
  for (int round = 0; round < 8; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto spool = Spool::open(options_, clock_);
      for (int i = 0; spool && i < 1'000'000; ++i) {
        if (!add(**spool, 1 + static_cast<std::size_t>(i % 40), static_cast<std::size_t>(i % 300))) break;
        if (i % 3 != 0) continue;
        if (!(*spool)->sync()) break;
        const std::uint64_t synced = (*spool)->last_sequence();
        if (::write(ends[1], &synced, sizeof(synced)) < 0) break;
      }
      ::_exit(1);
    }
    ::close(ends[1]);
    const auto reads = 1 + random() % 60;
    for (std::size_t i = 0; i < reads; ++i) ASSERT_EQ(::read(ends[0], &promised, sizeof(promised)), 8);
    ::kill(child, SIGKILL);
    while (::read(ends[0], &promised, sizeof(promised)) == 8) {
    }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);

    const auto spool = open();
    ASSERT_TRUE(spool);
    EXPECT_GE(spool->last_sequence(), promised);
    const Content content = read_all(*spool, 0);
    EXPECT_TRUE(content.gaps.empty());
    EXPECT_EQ(content.events.size(), spool->last_sequence() - spool->acked_sequence());
    EXPECT_EQ(spool->counts().damaged_regions, 0u);
    ASSERT_TRUE(spool->acknowledge(promised - random() % std::min<std::uint64_t>(promised, 50)));
  }
}

// What a newer procmond wrote would look like damage, and every event in it would count as lost.
TEST_F(SpoolTest, OfANewerVersionIsRefusedUntouched) {
  ASSERT_TRUE(open()->append(encode(events(1, 3))));
  std::ofstream(options_.dir + "/format") << kSpoolFormat + 1 << "\n";
  const auto opened = Spool::open(options_, clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::Unsupported);
  EXPECT_NE(opened.error().message().find("written by a newer DaemonEye"), std::string::npos)
      << opened.error().message();
  std::ofstream(options_.dir + "/format") << kSpoolFormat << "\n";
  const auto spool = open();
  ASSERT_TRUE(spool);
  EXPECT_EQ(spool->counts().damaged_regions, 0U);
  EXPECT_EQ(spool->last_sequence(), 3U);
}

}  // namespace
}  // namespace de::spool
