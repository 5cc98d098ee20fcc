#include "spool/spool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "spool_fixture.h"

namespace de::spool {
namespace {

TEST_F(SpoolTest, StampsContiguousSequencesAndReadsThemBack) {
  const auto spool = open();
  ASSERT_TRUE(add(*spool, 10));
  ASSERT_TRUE(add(*spool, 5));
  EXPECT_EQ(spool->last_sequence(), 15u);
  const Content content = read_all(*spool, 0);
  EXPECT_EQ(content.events.size(), 15u);
  EXPECT_TRUE(content.gaps.empty());
  EXPECT_EQ(content.events.at(3).process().name(), std::string(20, 'n'));
  books_balance(*spool);
}

TEST_F(SpoolTest, EmptyReadsAndAppends) {
  const auto spool = open();
  std::vector<pb::ProcessEvent> none;
  ASSERT_TRUE(spool->append(encode(none)));
  EXPECT_TRUE(spool->read_after(0, 100)->empty());
  EXPECT_TRUE(spool->read_after(99, 100)->empty());
  ASSERT_TRUE(add(*spool, 3));
  EXPECT_TRUE(spool->read_after(3, 100)->empty());
  EXPECT_TRUE(spool->read_after(0, 0)->empty());
  EXPECT_TRUE(spool->sync());
}

TEST_F(SpoolTest, FilesArePrivate) {
  const auto spool = open();
  ASSERT_TRUE(add(*spool, 1));
  struct stat info {};
  ASSERT_EQ(::stat(segments().front().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat((options_.dir + "/spool.state").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(SpoolTest, BatchesAreBoundedInEventsAndBytes) {
  options_ = {root_ + "/spool", 64 * 1024 * 1024, 8 * 1024 * 1024, ""};
  const auto spool = open();
  ASSERT_TRUE(add(*spool, 700));
  auto publishes = read_after(*spool, 0, 600);
  ASSERT_EQ(publishes->size(), 3u);
  EXPECT_EQ((*publishes)[0].events().events_size(), 256);
  EXPECT_EQ((*publishes)[2].events().events_size(), 88);
  EXPECT_EQ((*publishes)[0].topic(), "events.process.batch");
  ASSERT_TRUE(add(*spool, 12, 1'000'000));
  publishes = read_after(*spool, 700, 600);
  std::size_t total = 0;
  for (const pb::Publish& publish : *publishes) {
    EXPECT_LE(publish.ByteSizeLong(), 4u * 1024 * 1024 - 64);
    total += publish.ByteSizeLong();
  }
  EXPECT_LE(total, 12u * 1000 * 1000);
  EXPECT_EQ(read_all(*spool, 0).events.size(), 712u);
}

TEST_F(SpoolTest, RotatesAndKeepsOrderAcrossSegments) {
  const auto spool = open();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(add(*spool, 10));
  EXPECT_GT(segments().size(), 2u);
  EXPECT_EQ(read_all(*spool, 0).events.size(), 500u);
  EXPECT_EQ(read_all(*spool, 0, 7).events.size(), 500u);
  EXPECT_EQ(read_all(*spool, 321).events.size(), 179u);
  for (const std::string& name : segments()) EXPECT_LE(std::filesystem::file_size(name), options_.segment_bytes);
}

TEST_F(SpoolTest, ReopenContinues) {
  std::string id;
  {
    const auto spool = open();
    id = spool->spool_id();
    EXPECT_EQ(id.size(), 16u);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    ASSERT_TRUE(add(*spool, 300));
    ASSERT_TRUE(spool->acknowledge(120));
  }
  const auto spool = open();
  EXPECT_EQ(spool->spool_id(), id);
  EXPECT_EQ(spool->acked_sequence(), 120u);
  EXPECT_EQ(spool->last_sequence(), 300u);
  ASSERT_TRUE(add(*spool, 10));
  const Content content = read_all(*spool, 0);
  EXPECT_EQ(content.events.begin()->first, 121u);
  EXPECT_EQ(content.events.size(), 190u);
  EXPECT_TRUE(content.gaps.empty());
}

TEST_F(SpoolTest, AcknowledgedSegmentsAreDeletedAndNumbersAreNotReused) {
  std::string id;
  {
    const auto spool = open();
    id = spool->spool_id();
    ASSERT_TRUE(add(*spool, 500));
    const std::size_t before = segments().size();
    EXPECT_GT(spool->fill(), 0.0);
    ASSERT_TRUE(spool->acknowledge(500));
    EXPECT_GT(before, 2u);
    EXPECT_EQ(segments().size(), 1u);
    EXPECT_EQ(spool->fill(), 0.0);
    EXPECT_EQ(spool->counts().segments, 1u);
    EXPECT_EQ(spool->counts().bytes, std::filesystem::file_size(segments().front()));
  }
  for (int i = 0; i < 3; ++i) {
    const auto spool = open();
    EXPECT_EQ(spool->spool_id(), id);
    EXPECT_EQ(spool->last_sequence(), 500u);
  }
  const auto spool = open();
  ASSERT_TRUE(add(*spool, 1));
  EXPECT_EQ(spool->last_sequence(), 501u);
  EXPECT_EQ(read_all(*spool, 0).events.size(), 1u);
}

TEST_F(SpoolTest, AcknowledgeIsCheckedAndMonotonic) {
  const auto spool = open();
  ASSERT_TRUE(add(*spool, 10));
  EXPECT_EQ(spool->acknowledge(11).error().code(), Errc::Invalid);
  EXPECT_EQ(spool->acknowledge(~0ULL).error().code(), Errc::Invalid);
  ASSERT_TRUE(spool->acknowledge(5));
  ASSERT_TRUE(spool->acknowledge(3));
  EXPECT_EQ(spool->acked_sequence(), 5u);
  EXPECT_EQ(read_all(*spool, 0).events.size(), 5u);
}

TEST_F(SpoolTest, EmptyDirectoryGetsANewId) {
  const std::string first = open()->spool_id();
  std::filesystem::remove_all(options_.dir);
  EXPECT_NE(open()->spool_id(), first);
}

TEST_F(SpoolTest, StateWithoutSegmentsStartsOver) {
  std::string first;
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 10));
    first = spool->spool_id();
  }
  for (const std::string& name : segments()) std::filesystem::remove(name);
  const auto spool = open();
  EXPECT_NE(spool->spool_id(), first);
  EXPECT_EQ(spool->last_sequence(), 0u);
}

TEST_F(SpoolTest, SegmentsWithoutStateKeepTheirId) {
  std::string first;
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 500));
    ASSERT_TRUE(spool->acknowledge(250));
    first = spool->spool_id();
  }
  std::filesystem::remove(options_.dir + "/spool.state");
  const auto spool = open();
  EXPECT_EQ(spool->spool_id(), first);
  EXPECT_GE(spool->counts().damaged_regions, 1u);
  const Content content = read_all(*spool, 0);
  EXPECT_GE(content.events.size(), 250u);  // Some twice: the agent recognises them.
  EXPECT_EQ(content.events.rbegin()->first, 500u);
  ASSERT_EQ(content.gaps.size(), 1u);
  EXPECT_EQ(content.gaps[0].first_sequence(), 501u);  // Who can say that no more were given out?
}

TEST_F(SpoolTest, SecondOwnerIsRefused) {
  const auto first = open();
  EXPECT_EQ(Spool::open(options_, clock_).error().code(), Errc::Conflict);
}

TEST_F(SpoolTest, OptionsAndPathsAreChecked) {
  const SpoolOptions good = options_;
  options_.segment_bytes = kMinSegmentBytes - 1;
  EXPECT_EQ(Spool::open(options_, clock_).error().code(), Errc::Invalid);
  options_.segment_bytes = kMaxSegmentBytes + 1;
  EXPECT_EQ(Spool::open(options_, clock_).error().code(), Errc::Invalid);
  options_ = good;
  options_.max_bytes = 2 * options_.segment_bytes - 1;
  EXPECT_EQ(Spool::open(options_, clock_).error().code(), Errc::Invalid);
  options_ = good;
  options_.dir = root_ + "/no/such";
  EXPECT_EQ(Spool::open(options_, clock_).error().code(), Errc::NotFound);
  options_ = good;
  std::filesystem::create_directories(options_.dir + "/spool-00000001.seg");
  EXPECT_FALSE(Spool::open(options_, clock_));
}

TEST_F(SpoolTest, SizeCapShedsOldestAndSaysSoAcrossRestarts) {
  std::uint64_t shed = 0;
  {
    const auto spool = open();
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(add(*spool, 10));
    EXPECT_LE(spool->counts().bytes, options_.max_bytes);
    EXPECT_GT(spool->fill(), 0.7);
    shed = spool->counts().shed;
    EXPECT_GT(shed, 1000u);
    books_balance(*spool);
  }
  const auto spool = open();
  const Content content = read_all(*spool, 0);
  ASSERT_EQ(content.gaps.size(), 1u);
  const pb::Gap& gap = content.gaps.front();
  EXPECT_EQ(gap.first_sequence(), 1u);
  EXPECT_EQ(gap.last_sequence(), shed);
  EXPECT_EQ(gap.from_ms(), 100);
  EXPECT_EQ(gap.to_ms(), static_cast<std::int64_t>(shed * 100));
  EXPECT_NE(gap.reason().find("size limit"), std::string::npos);
  EXPECT_EQ(content.events.size() + shed, 3000u);
  ASSERT_TRUE(spool->acknowledge(shed));
  EXPECT_TRUE(read_all(*spool, 0).gaps.empty());
}

TEST_F(SpoolTest, TheSizeCapIncludesAFileThatIsToBeUsedAgain) {
  const auto spool = open();
  for (int round = 0; round < 500; ++round) {
    ASSERT_TRUE(add(*spool, 5));
    // The oldest segment alone, when hardly anything has room.
    if (spool->counts().bytes + 600 > options_.max_bytes) {
      ASSERT_TRUE(spool->acknowledge(spool->acked_sequence() + 120));
    }
    std::uint64_t on_disk = 0;
    for (const auto& item : std::filesystem::directory_iterator(options_.dir))
      if (item.path().filename() != "spool.state") on_disk += item.file_size();
    ASSERT_LE(on_disk, options_.max_bytes) << round;
  }
}

TEST_F(SpoolTest, ShedRangeStartsAfterTheWatermark) {
  const auto spool = open();
  ASSERT_TRUE(add(*spool, 100));
  ASSERT_TRUE(spool->acknowledge(60));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(add(*spool, 10));
  const Content content = read_all(*spool, 0);
  ASSERT_EQ(content.gaps.size(), 1u);
  EXPECT_EQ(content.gaps.front().first_sequence(), 61u);
  EXPECT_EQ(content.lost(), spool->counts().shed);
}

TEST_F(SpoolTest, TooLargeAnEventIsAGapNotAnError) {
  const auto spool = open();
  auto made = events(1, 3);
  made[1].mutable_process()->set_executable_path(std::string(40'000, 'x'));  // More than half the cap.
  ASSERT_TRUE(spool->append(encode(made)));
  const Content content = read_all(*spool, 0);
  EXPECT_EQ(content.events.size(), 2u);
  ASSERT_EQ(content.gaps.size(), 1u);
  EXPECT_EQ(content.gaps.front().first_sequence(), 2u);
  EXPECT_EQ(content.gaps.front().last_sequence(), 2u);
  EXPECT_EQ(content.gaps.front().from_ms(), 200);
  EXPECT_NE(content.gaps.front().reason().find("too large"), std::string::npos);
  EXPECT_EQ(spool->counts().refused, 1u);
  books_balance(*spool);
}

TEST_F(SpoolTest, AnEventLargerThanASegmentGetsItsOwn) {
  const auto spool = open();
  ASSERT_TRUE(add(*spool, 2));
  ASSERT_TRUE(add(*spool, 1, 20'000));
  ASSERT_TRUE(add(*spool, 2));
  EXPECT_EQ(read_all(*spool, 0).events.size(), 5u);
  EXPECT_EQ(segments().size(), 3u);
}

// RLIMIT_FSIZE stands for a full disk: a write stores what fits and then fails.
TEST_F(SpoolTest, FullDiskIsAGapAndPasses) {
  std::string id;
  {
    const auto spool = open();
    id = spool->spool_id();
    ASSERT_TRUE(add(*spool, 10));
    rlimit old{};
    ::getrlimit(RLIMIT_FSIZE, &old);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit tight{std::filesystem::file_size(segments().front()) + 70, old.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &tight);
    const auto refused = add(*spool, 20);
    const auto again = add(*spool, 5);
    ::setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::Exhausted);
    EXPECT_FALSE(again);
    EXPECT_EQ(spool->counts().refused, 25u);
    EXPECT_EQ(spool->counts().write_failures, 2u);
    ASSERT_TRUE(add(*spool, 10));
    EXPECT_EQ(spool->last_sequence(), 45u);
    books_balance(*spool);
  }
  const auto spool = open();
  const Content content = read_all(*spool, 0);
  EXPECT_EQ(content.events.size(), 20u);
  ASSERT_EQ(content.gaps.size(), 1u);
  EXPECT_EQ(content.gaps.front().first_sequence(), 11u);
  EXPECT_EQ(content.gaps.front().last_sequence(), 35u);
  EXPECT_EQ(content.gaps.front().from_ms(), 1100);
  EXPECT_EQ(content.gaps.front().to_ms(), 3500);
  EXPECT_NE(content.gaps.front().reason().find("no room"), std::string::npos);
}

TEST_F(SpoolTest, GapAtTheVeryEndSurvivesRestart) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 2));
    auto made = events(3, 1, 40'000);
    ASSERT_TRUE(spool->append(encode(made)));
  }
  const auto spool = open();
  EXPECT_EQ(spool->last_sequence(), 3u);
  EXPECT_EQ(read_all(*spool, 0).lost(), 1u);
}

}  // namespace
}  // namespace de::spool
