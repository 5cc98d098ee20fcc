#include "spool/spool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

namespace de::spool {
namespace {

class FixedClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = 5'000'000;
};

// Everything a spool gives back after `from`: events by sequence, and gaps.
struct Content {
  std::map<std::uint64_t, pb::ProcessEvent> events;
  std::vector<pb::Gap> gaps;

  std::uint64_t lost() const {
    std::uint64_t sum = 0;
    for (const pb::Gap& gap : gaps) sum += gap.last_sequence() - gap.first_sequence() + 1;
    return sum;
  }
};

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    char name[] = "/tmp/de_spool_XXXXXX";
    root_ = ::mkdtemp(name);
    options_ = {root_ + "/spool", 64 * 1024, 8 * 1024};
  }
  ~SpoolTest() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<Spool> open() {
    auto spool = Spool::open(options_, clock_);
    EXPECT_TRUE(spool) << spool.error().message();
    return spool ? std::move(*spool) : nullptr;
  }
  // Events with pid == the sequence they will get, 100 ms apart.
  static std::vector<pb::ProcessEvent> events(std::uint64_t first, std::size_t count, std::size_t padding = 20) {
    std::vector<pb::ProcessEvent> made(count);
    for (std::size_t i = 0; i < count; ++i) {
      made[i].mutable_process()->set_pid(static_cast<std::uint32_t>(first + i));
      made[i].mutable_process()->set_name(std::string(padding, 'n'));
      made[i].set_event_time_ms(static_cast<std::int64_t>((first + i) * 100));
    }
    return made;
  }
  static Result<> add(Spool& spool, std::size_t count, std::size_t padding = 20) {
    auto made = events(spool.last_sequence() + 1, count, padding);
    return spool.append(made);
  }
  static Content read_all(Spool& spool, std::uint64_t from, std::size_t per_call = 1000) {
    Content content;
    std::uint64_t at = std::max(from, spool.acked_sequence());
    while (at < spool.last_sequence()) {
      const auto publishes = spool.read_after(at, per_call);
      if (!publishes || publishes->empty()) {
        ADD_FAILURE() << "read_after(" << at << ") gives nothing";
        break;
      }
      for (const pb::Publish& publish : *publishes) {
        if (publish.has_gap()) {
          EXPECT_EQ(publish.gap().first_sequence(), at + 1);
          EXPECT_FALSE(publish.gap().reason().empty());
          EXPECT_LE(publish.gap().from_ms(), publish.gap().to_ms());
          at = publish.gap().last_sequence();
          content.gaps.push_back(publish.gap());
          continue;
        }
        EXPECT_LE(publish.events().events_size(), 256);
        for (const pb::ProcessEvent& event : publish.events().events()) {
          EXPECT_EQ(event.sequence(), ++at);
          EXPECT_EQ(event.process().pid(), event.sequence());
          content.events.emplace(event.sequence(), event);
        }
      }
    }
    EXPECT_EQ(at, spool.last_sequence());
    return content;
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> names;
    for (const auto& item : std::filesystem::directory_iterator(options_.dir))
      if (segment_number(item.path().filename().string()) != 0) names.push_back(item.path().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  static std::string slurp(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
  }
  static void put(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static void books_balance(const Spool& spool) {
    const SpoolCounts counts = spool.counts();
    EXPECT_EQ(counts.appended, counts.written + counts.refused);
  }

  FixedClock clock_;
  std::string root_;
  SpoolOptions options_;
};

TEST_F(SpoolTest, StampsContiguousSequencesAndReadsThemBack) {
  const auto spool = open();
  auto made = events(1, 10);
  ASSERT_TRUE(spool->append(made));
  for (std::size_t i = 0; i < made.size(); ++i) EXPECT_EQ(made[i].sequence(), i + 1);
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
  ASSERT_TRUE(spool->append(none));
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
  options_ = {root_ + "/spool", 64 * 1024 * 1024, 8 * 1024 * 1024};
  const auto spool = open();
  ASSERT_TRUE(add(*spool, 700));
  auto publishes = spool->read_after(0, 600);
  ASSERT_EQ(publishes->size(), 3u);
  EXPECT_EQ((*publishes)[0].events().events_size(), 256);
  EXPECT_EQ((*publishes)[2].events().events_size(), 88);
  EXPECT_EQ((*publishes)[0].topic(), "events.process.batch");
  ASSERT_TRUE(add(*spool, 12, 1'000'000));
  publishes = spool->read_after(700, 600);
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
  EXPECT_EQ(spool->last_sequence(), 500u);
  EXPECT_GE(spool->counts().damaged_regions, 1u);
  const Content content = read_all(*spool, 0);
  EXPECT_GE(content.events.size(), 250u);  // Some twice: the agent recognises them.
  EXPECT_TRUE(content.gaps.empty());
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
  ASSERT_TRUE(spool->append(made));
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
    ASSERT_TRUE(spool->append(made));
  }
  const auto spool = open();
  EXPECT_EQ(spool->last_sequence(), 3u);
  EXPECT_EQ(read_all(*spool, 0).lost(), 1u);
}

TEST_F(SpoolTest, TornTailIsCutAndItsNumberUsedAgain) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 10));
  }
  const std::string file = segments().front();
  const std::string whole = slurp(file);
  // A power cut before the sync: neither the record nor the state that counts it made it to the disk.
  std::filesystem::remove(options_.dir + "/spool.state");
  put(file, whole.substr(0, whole.size() - 5));
  const auto spool = open();
  EXPECT_EQ(spool->last_sequence(), 9u);
  EXPECT_GT(spool->counts().torn_bytes, 0u);
  ASSERT_TRUE(add(*spool, 1));
  const Content content = read_all(*spool, 0);
  EXPECT_EQ(content.events.size(), 10u);
  EXPECT_TRUE(content.gaps.empty());
}

TEST_F(SpoolTest, ATornRecordThatWasCountedIsAGap) {
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
TEST_F(SpoolTest, EveryDamagedByteIsAGapOrHarmless) {
  {
    const auto spool = open();
    ASSERT_TRUE(add(*spool, 6));
    ASSERT_TRUE(spool->sync());
  }
  const std::string file = segments().front();
  const std::string whole = slurp(file);
  const std::string state = slurp(options_.dir + "/spool.state");
  for (const bool with_state : {true, false}) {
    for (std::size_t i = 0; i < whole.size(); ++i) {
      for (const unsigned mask : {0x01u, 0x10u, 0xFFu}) {
        std::filesystem::remove_all(options_.dir);
        std::filesystem::create_directory(options_.dir);
        std::string changed = whole;
        changed[i] = static_cast<char>(changed[i] ^ static_cast<char>(mask));
        put(file, changed);
        if (with_state) put(options_.dir + "/spool.state", state);
        if (!with_state && i < kSegmentHeaderBytes) continue;  // Then nothing is left that knows the id.
        const auto spool = open();
        ASSERT_TRUE(spool) << i;
        const Content content = read_all(*spool, 0);
        EXPECT_GE(spool->last_sequence(), 6u) << i;
        EXPECT_EQ(content.events.size(), i < kSegmentHeaderBytes ? 6u : 5u) << i << " mask " << mask;
        EXPECT_EQ(content.gaps.empty(), i < kSegmentHeaderBytes) << i;
        EXPECT_GE(spool->counts().damaged_regions, 1u) << i;
        const std::uint64_t last = spool->last_sequence();
        ASSERT_TRUE(add(*spool, 1));
        EXPECT_EQ(spool->last_sequence(), last + 1);
      }
    }
  }
}

TEST_F(SpoolTest, DamageInTheMiddleIsOneGapWithTheTimesAround) {
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

TEST_F(SpoolTest, DamageWhileRunningIsAGap) {
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

TEST_F(SpoolTest, AMissingSegmentIsAGap) {
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

TEST_F(SpoolTest, ForeignSegmentsAreSetAside) {
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

TEST_F(SpoolTest, LeftoverOfAnInterruptedShedIsNotReadAgain) {
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

TEST_F(SpoolTest, HeaderCutShortAtCreationIsRemoved) {
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

// What was synced before a SIGKILL is there after it, contiguous, and the next numbers follow.
TEST_F(SpoolTest, SyncedEventsSurviveAKillAnywhere) {
  options_.max_bytes = 64 * 1024 * 1024;
  std::mt19937 random(12345);
  std::uint64_t promised = 0;
  for (int round = 0; round < 12; ++round) {
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
    const unsigned reads = 1 + random() % 60;
    for (unsigned i = 0; i < reads; ++i) ASSERT_EQ(::read(ends[0], &promised, sizeof(promised)), 8);
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

}  // namespace
}  // namespace de::spool
