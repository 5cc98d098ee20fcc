#include "daemoneye/ledger/verify.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "daemoneye/base/byte_order.h"

namespace de::ledger {
namespace {

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() {
    char name[] = "/tmp/de_ledger_XXXXXX";
    dir_ = ::mkdtemp(name);
  }
  ~VerifyTest() override { std::filesystem::remove_all(dir_); }

  // `count` more entries of one chain, as they lie in a file.
  std::string more(unsigned count) {
    std::string bytes;
    for (unsigned i = 0; i < count; ++i) {
      Entry entry;
      entry.sequence = ++sequence_;
      entry.time_ms = 1000 + static_cast<std::int64_t>(sequence_);
      entry.actor = "procmond";
      entry.action = "test";
      entry.payload = "{\"n\":" + std::to_string(sequence_) + "}";
      entry.previous_hash = last_;
      const std::string body = *encode(entry);
      last_ = entry.entry_hash;
      append_le(bytes, static_cast<std::uint32_t>(body.size()));
      bytes += body;
      ends_.push_back((ends_.empty() ? 0 : ends_.back()) + kLengthBytes + body.size());
    }
    return bytes;
  }
  void put(const std::string& name, const std::string& bytes) const {
    std::ofstream(dir_ + "/" + name, std::ios::binary) << bytes;
  }
  static Report check(const std::string& bytes) {
    std::istringstream in(bytes);
    const auto report = verify_stream(in, {});
    EXPECT_TRUE(report);
    return report ? *report : Report{};
  }

  std::string dir_;
  std::uint64_t sequence_ = 0;
  Digest last_{};
  std::vector<std::size_t> ends_;
};

TEST_F(VerifyTest, WholeLedger) {
  const std::string bytes = more(300);
  std::istringstream in(bytes);
  std::uint64_t seen = 0;
  const auto report = verify_stream(in, [&seen](const Entry& entry) { EXPECT_EQ(entry.sequence, ++seen); });
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->is_whole());
  EXPECT_EQ(report->entries, 300u);
  EXPECT_EQ(seen, 300u);
  EXPECT_EQ(report->first_sequence, 1u);
  EXPECT_EQ(report->last_sequence, 300u);
  EXPECT_EQ(report->last_time_ms, 1300);
  EXPECT_EQ(report->last_hash, last_);
  EXPECT_EQ(report->last_file_bytes, bytes.size());
  EXPECT_EQ(report->torn_tail_bytes, 0u);
}

TEST_F(VerifyTest, EmptyIsWhole) {
  const Report report = check("");
  EXPECT_TRUE(report.is_whole());
  EXPECT_EQ(report.entries, 0u);
}

TEST_F(VerifyTest, EveryCutIsATornTailAndNothingElse) {
  const std::string bytes = more(3);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    const Report report = check(bytes.substr(0, cut));
    ASSERT_TRUE(report.is_whole()) << cut << ": " << report.bad->why;
    const auto whole = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), cut) - ends_.begin());
    EXPECT_EQ(report.entries, whole) << cut;
    EXPECT_EQ(report.torn_tail_bytes, cut - (whole == 0 ? 0 : ends_[whole - 1])) << cut;
  }
}

TEST_F(VerifyTest, EveryChangedByteIsTamperingOfTheRightEntry) {
  const std::string bytes = more(4);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const unsigned mask : {0x01u, 0x80u, 0xFFu}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ static_cast<char>(mask));
      const Report report = check(changed);
      const auto entry = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), i) - ends_.begin());
      ASSERT_TRUE(report.bad) << "byte " << i << " mask " << mask;
      EXPECT_EQ(report.bad->sequence, entry + 1) << i;
      EXPECT_EQ(report.bad->offset, entry == 0 ? 0 : ends_[entry - 1]) << i;
      EXPECT_EQ(report.entries, entry) << i;
      EXPECT_FALSE(report.bad->why.empty());
      EXPECT_EQ(report.torn_tail_bytes, 0u);
    }
  }
}

TEST_F(VerifyTest, RemovedSwappedRepeatedAndForeignEntries) {
  const std::string a = more(1);
  const std::string b = more(1);
  const std::string c = more(1);
  sequence_ = 1;
  last_ = {};
  last_.fill(7);
  const std::string forged = more(1);  // Number 2, right hashes, wrong predecessor.
  struct Case {
    const char* name;
    std::string bytes;
    std::uint64_t bad;
  };
  const Case cases[] = {
      {"first missing", b + c, 1},  {"middle missing", a + c, 2}, {"swapped", a + c + b, 2},
      {"repeated", a + a + b, 2},   {"forged", a + forged, 2},    {"forged in front", forged + b, 1},
      {"ends whole", a + b + c, 0},
  };
  for (const Case& each : cases) {
    const Report report = check(each.bytes);
    ASSERT_EQ(report.bad.has_value(), each.bad != 0) << each.name;
    if (report.bad) {
      EXPECT_EQ(report.bad->sequence, each.bad) << each.name;
    }
  }
}

TEST_F(VerifyTest, FirstEntryMustNotHaveAPredecessor) {
  last_.fill(1);
  const Report report = check(more(2));
  ASSERT_TRUE(report.bad);
  EXPECT_EQ(report.bad->sequence, 1u);
}

TEST_F(VerifyTest, ZerosAfterAPowerCutAreATornTail) {
  const std::string bytes = more(2);
  const Report report = check(bytes + std::string(200'000, '\0'));
  EXPECT_TRUE(report.is_whole());
  EXPECT_EQ(report.entries, 2u);
  EXPECT_EQ(report.torn_tail_bytes, 200'000u);
  std::string not_only = bytes + std::string(200'000, '\0');
  not_only.back() = 'x';
  EXPECT_FALSE(check(not_only).is_whole());
}

TEST_F(VerifyTest, DamagedLengthDoesNotHideTheRest) {
  // Entry 2's length grows past the end of the file: everything from there would look like an interrupted write.
  std::string bytes = more(5);
  bytes[ends_[0] + 1] = 0x20;
  const Report report = check(bytes);
  ASSERT_TRUE(report.bad);
  EXPECT_EQ(report.bad->sequence, 2u);
}

TEST_F(VerifyTest, DirectoryIsOneChain) {
  put("ledger-00000001.log", more(3));
  put("ledger-00000002.log", more(2));
  const std::string third = more(2);
  put("ledger-00000003.log", third + third.substr(0, 30));
  put("ledger.lock", "not part of it");
  put("ledger-1.log", "neither");
  const auto report = verify_path(dir_, {});
  ASSERT_TRUE(report) << report.error().message();
  ASSERT_TRUE(report->is_whole()) << report->bad->why;
  EXPECT_EQ(report->entries, 7u);
  EXPECT_EQ(report->last_file, "ledger-00000003.log");
  EXPECT_EQ(report->last_file_bytes, third.size());
  EXPECT_EQ(report->torn_tail_bytes, 30u);
}

TEST_F(VerifyTest, TornInTheMiddleOfADirectoryIsTampering) {
  const std::string first = more(3);
  put("ledger-00000001.log", first.substr(0, first.size() - 10));
  put("ledger-00000002.log", more(1));
  const auto report = verify_path(dir_, {});
  ASSERT_TRUE(report);
  ASSERT_TRUE(report->bad);
  EXPECT_EQ(report->bad->file, "ledger-00000001.log");
  EXPECT_EQ(report->bad->sequence, 3u);
}

TEST_F(VerifyTest, MissingFileIsTampering) {
  put("ledger-00000001.log", more(1));
  (void)more(1);
  put("ledger-00000003.log", more(1));
  const auto report = verify_path(dir_, {});
  ASSERT_TRUE(report);
  ASSERT_TRUE(report->bad);
  EXPECT_EQ(report->bad->file, "ledger-00000002.log");
  EXPECT_EQ(report->bad->sequence, 2u);
}

TEST_F(VerifyTest, SingleFileOfALaterNumberMayStartAnywhere) {
  (void)more(5);
  put("ledger-00000002.log", more(2));
  const auto later = verify_path(dir_ + "/ledger-00000002.log", {});
  ASSERT_TRUE(later);
  EXPECT_TRUE(later->is_whole());
  EXPECT_EQ(later->first_sequence, 6u);
  std::filesystem::rename(dir_ + "/ledger-00000002.log", dir_ + "/export");
  const auto other = verify_path(dir_ + "/export", {});
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->is_whole());
}

TEST_F(VerifyTest, PathsThatAreNoLedger) {
  EXPECT_EQ(verify_path(dir_ + "/none", {}).error().code(), Errc::NotFound);
  EXPECT_EQ(verify_path(dir_, {}).error().code(), Errc::NotFound);
  ASSERT_EQ(::mkfifo((dir_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(verify_path(dir_ + "/fifo", {}).error().code(), Errc::Invalid);
  std::filesystem::create_directory(dir_ + "/ledger-00000001.log");
  EXPECT_EQ(verify_path(dir_, {}).error().code(), Errc::Invalid);
}

TEST(LedgerFileName, BothWays) {
  EXPECT_EQ(ledger_file_name(1), "ledger-00000001.log");
  EXPECT_EQ(ledger_file_number("ledger-00000001.log"), 1u);
  EXPECT_EQ(ledger_file_number(ledger_file_name(99'999'999)), 99'999'999u);
  for (const char* name : {"", "ledger-1.log", "ledger-0000000x.log", "ledger-00000001.log~", "xedger-00000001.log",
                           "ledger-00000000.log"})
    EXPECT_EQ(ledger_file_number(name), 0u) << name;
}

}  // namespace
}  // namespace de::ledger
