#include "host/host_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "temp_dir.h"

namespace de::host {
namespace {

using schema::HostTable;
using testing::ElementsAre;
using testing::HasSubstr;

class Still final : public Clock {
 public:
  std::int64_t unix_ms() const override { return 1'780'000'000'500; }
  std::int64_t steady_ns() const override { return 0; }
};

std::string shown(const schema::Cell& cell) {
  if (const auto* number = std::get_if<std::int64_t>(&cell)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  return "NULL";
}

std::string shown(const mirror::HostRow& row) {
  std::string out;
  for (const schema::Cell& cell : row) out += (out.empty() ? "" : "|") + shown(cell);
  return out;
}

class HostFactsTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) { std::ofstream(path(name)) << text; }
  std::string path(const std::string& name) const { return dir_.path() + "/" + name; }
  HostFacts facts() { return {{{dir_.path()}, {}, 10, dir_.path()}, read_system(dir_.path()), clock_}; }

  std::vector<std::string> rows(const HostFacts& facts, HostTable table) {
    auto rows = facts.rows(table);
    if (!rows) return {"error: " + rows.error().message()};
    std::vector<std::string> out;
    for (const mirror::HostRow& row : *rows) {
      EXPECT_EQ(row.size(), schema::host_table_info(table).columns.size());
      out.push_back(shown(row));
    }
    return out;
  }

  test::TempDir dir_;
  Still clock_;
};

TEST_F(HostFactsTest, AccountsAreThoseOfTheFilesAndFollowThem) {
  write("passwd", "root:x:0:0:root:/root:/bin/bash\n# none\nbroken:x:1\nnobody:x:65534:65534:,,:/:/bin/false\n");
  write("group", "root:x:0:\nsudo:x:27:root,alice\nroot2:x:0:root\n");
  const HostFacts told = facts();
  EXPECT_THAT(rows(told, HostTable::Users), ElementsAre("0|0|0|0|root|root|/root|/bin/bash||NULL|NULL",
                                                        "65534|65534|65534|65534|nobody|,,|/|/bin/false||NULL|NULL"));
  EXPECT_THAT(rows(told, HostTable::Groups), ElementsAre("0|0|root|NULL", "27|27|sudo|NULL", "0|0|root2|NULL"));
  EXPECT_THAT(rows(told, HostTable::UserGroups), ElementsAre("0|0", "0|27", "65534|65534"));

  write("passwd.new", "big:x:4294967295:4294967294::/:\n");
  ASSERT_EQ(::rename(path("passwd.new").c_str(), path("passwd").c_str()), 0);
  EXPECT_THAT(rows(told, HostTable::Users), ElementsAre("4294967295|4294967294|-1|-2|big||/|||NULL|NULL"));
}

TEST_F(HostFactsTest, AccountsThatCannotBeReadAreAnErrorAndNotNone) {
  const HostFacts told = facts();
  EXPECT_THAT(rows(told, HostTable::Users), ElementsAre(HasSubstr("passwd")));
  write("passwd", std::string(kMaxAccountFileBytes + 1, 'x'));
  write("group", "");
  EXPECT_THAT(rows(told, HostTable::Users), ElementsAre(HasSubstr("is larger than 4194304")));
}

TEST_F(HostFactsTest, AccountsThatCannotBeReadAnyMoreAreThoseOfBeforeAndSaySo) {
  write("passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n");
  write("group", "alice:x:1000:\n");
  const HostFacts told = facts();
  EXPECT_EQ(rows(told, HostTable::Users).size(), 1u);
  EXPECT_EQ(told.why_stale(HostTable::Users), "");
  write("passwd", std::string(kMaxAccountFileBytes + 1, 'x'));
  EXPECT_EQ(rows(told, HostTable::Users).size(), 1u);
  EXPECT_THAT(told.why_stale(HostTable::Users), HasSubstr("accounts have changed"));
  EXPECT_EQ(told.why_stale(HostTable::Uptime), "");
  write("passwd", "alice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n");
  EXPECT_EQ(rows(told, HostTable::Users).size(), 2u);
  EXPECT_EQ(told.why_stale(HostTable::Users), "");
}

TEST_F(HostFactsTest, ParsersStopAtTheirLimits) {
  std::string text;
  for (std::size_t i = 0; i < kMaxAccounts + 5; ++i) text += "u:x:1:1:::\n";
  EXPECT_EQ(parse_passwd(text).size(), kMaxAccounts);
  EXPECT_TRUE(parse_passwd("u:x:-1:1:::\nu:x:99999999999:1:::\n:x:1:1:::\n").empty());
}

TEST_F(HostFactsTest, DistributionIsWhatOsReleaseSays) {
  write(
      "os-release",
      "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (book\\\"worm)\"\nID=debian\nVERSION_CODENAME='x'\n");
  EXPECT_THAT(rows(facts(), HostTable::OsVersion),
              ElementsAre(testing::StartsWith("Debian GNU/Linux|12 (book\"worm)|12|0|0||debian||x|")));
}

TEST_F(HostFactsTest, ClocksAndSystemHaveOneRow) {
  const HostFacts told = facts();
  const auto time = rows(told, HostTable::Time);
  ASSERT_EQ(time.size(), 1u);
  EXPECT_THAT(time[0], HasSubstr("Thursday|2026|5|28|20|26|40|UTC|"));
  EXPECT_THAT(time[0], HasSubstr("|1780000000|Thu May 28 20:26:40 2026 UTC|2026-05-28T20:26:40Z|"));
  EXPECT_EQ(shown(uptime_row(500'000)), "5|18|53|20|500000");
  EXPECT_EQ(rows(told, HostTable::Uptime).size(), 1u);
  EXPECT_EQ(rows(told, HostTable::SystemInfo).size(), 1u);
}

TEST_F(HostFactsTest, FileIsToldAsTheKernelKnowsIt) {
  write("x.sh", "12345");
  ASSERT_EQ(::chmod(path("x.sh").c_str(), 04751), 0);
  ASSERT_EQ(::symlink("x.sh", path("link").c_str()), 0);
  ASSERT_EQ(::symlink("gone", path("dangling").c_str()), 0);
  const HostFacts told = facts();
  const auto at = [&](const std::string& file, std::size_t column) {
    const auto row = told.named(HostTable::File, file);
    if (!row) return "error: " + row.error().message();
    return *row ? shown((**row)[column]) : std::string("none");
  };
  EXPECT_EQ(at(path("x.sh"), 1), dir_.path());
  EXPECT_EQ(at(path("x.sh"), 2), "x.sh");
  EXPECT_EQ(at(path("x.sh"), 6), "4751");
  EXPECT_EQ(at(path("x.sh"), 8), "5");
  EXPECT_EQ(at(path("x.sh"), 15), "0");
  EXPECT_EQ(at(path("x.sh"), 16), "regular");
  EXPECT_EQ(at(path("link"), 8), "5");
  EXPECT_EQ(at(path("link"), 15), "1");
  EXPECT_EQ(at(path("link"), 17), "x.sh");
  EXPECT_EQ(at(path("dangling"), 16), "symlink");
  EXPECT_EQ(at(path("absent"), 0), "none");
  EXPECT_EQ(at(path("x.sh/below"), 0), "none");
  EXPECT_EQ(at("/memfd:sealed", 0), "none");
  EXPECT_EQ(at(dir_.path(), 16), "directory");
}

TEST_F(HostFactsTest, FilesElsewhereAreDenied) {
  const HostFacts told = facts();
  for (const std::string& file : {std::string("/proc/1/exe"), path("../x"), dir_.path() + "x", std::string("x")}) {
    const auto row = told.named(HostTable::File, file);
    ASSERT_FALSE(row) << file;
    EXPECT_EQ(row.error().code(), Errc::Denied);
    EXPECT_THAT(row.error().message(), HasSubstr("query.file_dirs"));
  }
  EXPECT_TRUE(is_below("/etc/passwd", {"/"}));
  EXPECT_TRUE(is_below("/etc/passwd", {"/etc/"}));
  EXPECT_FALSE(is_below("/etc/..", {"/etc"}));
}

TEST_F(HostFactsTest, WhatTheKernelHidesIsAnErrorAndNotAbsence) {
  ASSERT_EQ(::mkdir(path("closed").c_str(), 0000), 0);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
  const bool is_root = ::geteuid() == 0;  // Nothing is hidden from root.
  if (is_root) {
    ASSERT_EQ(::seteuid(65'534), 0);
  }
  const auto row = facts().named(HostTable::File, path("closed/x"));
  if (is_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  ASSERT_FALSE(row);
  EXPECT_EQ(row.error().code(), Errc::Denied);
}

}  // namespace
}  // namespace de::host
