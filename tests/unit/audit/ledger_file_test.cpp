#include "audit/ledger_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace de::audit {
namespace {

class FixedClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = 1'700'000'000'000;
};

class LedgerFileTest : public ::testing::Test {
 protected:
  LedgerFileTest() {
    char name[] = "/tmp/de_audit_XXXXXX";
    root_ = ::mkdtemp(name);
    dir_ = root_ + "/ledger";
    file_ = dir_ + "/ledger-00000001.log";
  }
  ~LedgerFileTest() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<LedgerFile> open() {
    auto ledger = LedgerFile::open(dir_, clock_);
    EXPECT_TRUE(ledger) << ledger.error().message();
    return ledger ? std::move(*ledger) : nullptr;
  }
  std::vector<ledger::Entry> entries() const {
    std::vector<ledger::Entry> all;
    const auto report = ledger::verify_path(dir_, [&all](const ledger::Entry& entry) { all.push_back(entry); });
    EXPECT_TRUE(report);
    if (report) {
      EXPECT_TRUE(report->is_whole());
    }
    return all;
  }
  std::string bytes() const {
    std::ostringstream out;
    out << std::ifstream(file_, std::ios::binary).rdbuf();
    return out.str();
  }
  void put(const std::string& content) const { std::ofstream(file_, std::ios::binary) << content; }

  FixedClock clock_;
  std::string root_;
  std::string dir_;
  std::string file_;
};

TEST_F(LedgerFileTest, CreatesDirectoryAndFileWithTheirModes) {
  const mode_t before = ::umask(0077);
  const auto ledger = open();
  ::umask(before);
  ASSERT_TRUE(ledger);
  struct stat info {};
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_EQ(ledger->last_sequence(), 0u);
  EXPECT_EQ(ledger->counts().entries, 0u);
}

TEST_F(LedgerFileTest, AppendedEntriesVerify) {
  const auto ledger = open();
  ASSERT_TRUE(ledger);
  EXPECT_EQ(*ledger->append("procmond", "start", "{}"), 1u);
  clock_.now_ms += 5;
  EXPECT_EQ(*ledger->append("uid:1000", "rule.changed", R"({"id":"r"})"), 2u);
  const auto all = entries();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].actor, "uid:1000");
  EXPECT_EQ(all[1].action, "rule.changed");
  EXPECT_EQ(all[1].payload, R"({"id":"r"})");
  EXPECT_EQ(all[1].time_ms, clock_.now_ms);
  EXPECT_EQ(all[1].previous_hash, all[0].entry_hash);
  EXPECT_EQ(ledger->last_hash(), all[1].entry_hash);
  EXPECT_EQ(ledger->counts().appended, 2u);
  EXPECT_EQ(ledger->counts().file_bytes, std::filesystem::file_size(file_));
}

TEST_F(LedgerFileTest, ContinuesTheChainAfterReopen) {
  ASSERT_TRUE(open()->append("procmond", "start", "{}"));
  ASSERT_TRUE(open()->append("procmond", "start", "{}"));
  const auto ledger = open();
  EXPECT_EQ(*ledger->append("procmond", "start", "{}"), 3u);
  EXPECT_EQ(ledger->counts().entries, 3u);
  EXPECT_EQ(ledger->counts().appended, 1u);
  EXPECT_EQ(entries().size(), 3u);
}

TEST_F(LedgerFileTest, BatchIsOneChain) {
  const auto ledger = open();
  std::vector<LedgerItem> items;
  for (int i = 0; i < 100; ++i) items.push_back({"procmond", "batch", std::to_string(i)});
  EXPECT_EQ(*ledger->append_batch(items), 100u);
  EXPECT_EQ(entries().size(), 100u);
  items[50].action.clear();
  EXPECT_EQ(ledger->append_batch(items).error().code(), Errc::Invalid);  // All or none.
  EXPECT_EQ(ledger->last_sequence(), 100u);
  EXPECT_EQ(ledger->counts().refused, 1u);
  EXPECT_EQ(*ledger->append("procmond", "after", ""), 101u);
  EXPECT_EQ(entries().size(), 101u);
}

TEST_F(LedgerFileTest, Limits) {
  const auto ledger = open();
  EXPECT_EQ(ledger->append("", "a", "").error().code(), Errc::Invalid);
  EXPECT_EQ(ledger->append("a", "", "").error().code(), Errc::Invalid);
  EXPECT_EQ(ledger->append(std::string(257, 'a'), "a", "").error().code(), Errc::TooLarge);
  EXPECT_EQ(ledger->append("a", std::string(65, 'a'), "").error().code(), Errc::TooLarge);
  EXPECT_EQ(ledger->append("a", "a", std::string(16 * 1024 + 1, 'a')).error().code(), Errc::TooLarge);
  EXPECT_EQ(ledger->append_batch({}).error().code(), Errc::Invalid);
  EXPECT_EQ(ledger->append_batch(std::vector<LedgerItem>(kMaxBatch + 1, {"a", "a", ""})).error().code(),
            Errc::TooLarge);
  EXPECT_EQ(ledger->last_sequence(), 0u);
  EXPECT_EQ(*ledger->append("a", "a", std::string(16 * 1024, 'a')), 1u);
}

TEST_F(LedgerFileTest, TornTailIsCutAndRecorded) {
  ASSERT_TRUE(open()->append("procmond", "one", "{}"));
  ASSERT_TRUE(open()->append("procmond", "two", "{}"));
  const std::string whole = bytes();
  const std::size_t first_end = whole.size() / 2;  // Both entries have the same size.
  for (const std::size_t cut : {first_end + 1, first_end + 4, first_end + 40, whole.size() - 1}) {
    put(whole.substr(0, cut));
    const auto ledger = open();
    ASSERT_TRUE(ledger) << cut;
    EXPECT_EQ(ledger->counts().repaired_bytes, cut - first_end);
    const auto all = entries();
    ASSERT_EQ(all.size(), 2u) << cut;
    EXPECT_EQ(all[0].action, "one");
    EXPECT_EQ(all[1].action, "ledger.repaired");
    EXPECT_EQ(all[1].payload,
              R"({"file":"ledger-00000001.log","removed_bytes":)" + std::to_string(cut - first_end) + "}");
  }
}

TEST_F(LedgerFileTest, TamperingIsRefusedAndNamed) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(open()->append("procmond", "step", "{}"));
  std::string changed = bytes();
  changed[changed.size() / 2] ^= 1;
  put(changed);
  const auto ledger = LedgerFile::open(dir_, clock_);
  ASSERT_FALSE(ledger);
  EXPECT_EQ(ledger.error().code(), Errc::Corrupt);
  EXPECT_NE(ledger.error().message().find("entry 2"), std::string::npos) << ledger.error().message();
  EXPECT_EQ(bytes(), changed);  // Evidence stays as it is.
}

TEST_F(LedgerFileTest, SecondWriterIsRefused) {
  const auto first = open();
  const auto second = LedgerFile::open(dir_, clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::Conflict);
}

TEST_F(LedgerFileTest, SymlinkAndFifoAreRefused) {
  std::filesystem::create_directory(dir_);
  std::ofstream(root_ + "/elsewhere");
  std::filesystem::create_symlink(root_ + "/elsewhere", file_);
  EXPECT_FALSE(LedgerFile::open(dir_, clock_));
  EXPECT_EQ(std::filesystem::file_size(root_ + "/elsewhere"), 0u);
  std::filesystem::remove(file_);
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_EQ(LedgerFile::open(dir_, clock_).error().code(), Errc::Invalid);
}

TEST_F(LedgerFileTest, MissingParentIsAnError) {
  EXPECT_EQ(LedgerFile::open(root_ + "/a/b/c", clock_).error().code(), Errc::NotFound);
}

// RLIMIT_FSIZE stands for a full disk: write() stores what fits and then fails.
TEST_F(LedgerFileTest, FailedWriteLeavesTheLedgerAsItWas) {
  const auto ledger = open();
  ASSERT_TRUE(ledger->append("procmond", "one", "{}"));
  const std::string before = bytes();
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{before.size() + 50, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);
  const auto refused = ledger->append("procmond", "two", "{}");
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Exhausted);
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(ledger->counts().write_failures, 1u);
  EXPECT_EQ(*ledger->append("procmond", "three", "{}"), 2u);
  EXPECT_EQ(entries().size(), 2u);
}

TEST_F(LedgerFileTest, EveryReturnedNumberSurvivesAKill) {
  for (int round = 0; round < 5; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto ledger = LedgerFile::open(dir_, clock_);
      for (int i = 0; ledger && i < 100'000; ++i) {
        const auto sequence = (*ledger)->append("procmond", "kill", "{}");
        if (!sequence || ::write(pipe_ends[1], &*sequence, sizeof(*sequence)) < 0) break;
      }
      ::_exit(1);
    }
    ::close(pipe_ends[1]);
    std::uint64_t promised = 0;
    for (int i = 0; i < 20 + round * 7; ++i) ASSERT_EQ(::read(pipe_ends[0], &promised, 8), 8);
    ::kill(child, SIGKILL);
    while (::read(pipe_ends[0], &promised, 8) == 8) {
    }
    ::close(pipe_ends[0]);
    ::waitpid(child, nullptr, 0);
    EXPECT_GE(open()->last_sequence(), promised);
  }
}

TEST_F(LedgerFileTest, OfANewerVersionIsNoTampering) {
  ASSERT_TRUE(open()->append("procmond", "procmond.start", "{}"));
  const std::string before = bytes();
  std::ofstream(dir_ + "/format") << ledger::kEntryVersion + 1 << "\n";
  const auto opened = LedgerFile::open(dir_, clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::Unsupported);
  EXPECT_NE(opened.error().message().find("written by a newer DaemonEye"), std::string::npos)
      << opened.error().message();
  EXPECT_EQ(bytes(), before);
}

}  // namespace
}  // namespace de::audit
