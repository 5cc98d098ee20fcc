// Queries and rules written for osquery, against the real programs.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "daemons.h"
#include "kernel_support.h"
#include "temp_dir.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class Osquery : public testing::Test {
 protected:
  void SetUp() override {
    host_.start_agent();
    host_.start_procmond();
    ASSERT_TRUE(host_.is_steady()) << host_.log("agent") << host_.log("procmond");
  }
  Ran query(const std::string& sql) { return host_.cli({"--output", "csv", "query", "--dialect", "osquery", sql}); }

  Host host_;
};

TEST_F(Osquery, ItsTablesAreAboutThisHost) {
  const std::string self = std::to_string(::getpid());
  Ran ran = query(
      "SELECT p.pid, p.parent, p.uid, u.username, f.type FROM processes p JOIN users u USING (uid) JOIN file f "
      "ON f.path = p.path WHERE p.pid = " +
      self + " AND p.path LIKE \"%test_system\" AND p.on_disk = 1");
  if (ran.out.find(self + ",") == std::string::npos) {
    // The test may lie where nobody may be asked about files: the answer then says so.
    EXPECT_EQ(ran.exit_code, 3) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "query.file_dirs") || contains(ran.err, "denied")) << ran.err;
    ran = query(
        "SELECT p.pid, p.parent, p.uid, u.username, 'regular' FROM processes p JOIN users u USING (uid) WHERE "
        "p.pid = " +
        self);
  }
  EXPECT_TRUE(contains(ran.out, self + "," + std::to_string(::getppid()) + "," + std::to_string(::getuid()) + ","))
      << ran.out << ran.err;
  ran = query("SELECT f.mode, f.uid, f.type FROM file f WHERE path IN ('/etc/passwd', '/etc/not-there')");
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(contains(ran.out, "0644,0,regular")) << ran.out;
  ran = query("SELECT total_seconds > 0 AS up, (SELECT name FROM os_version) <> '' AS named FROM uptime");
  EXPECT_TRUE(contains(ran.out, "1,1")) << ran.out << ran.err;
}

TEST_F(Osquery, WhatCannotBeServedIsRefusedByName) {
  Ran ran = query("SELECT * FROM listening_ports JOIN processes USING (pid)");
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_TRUE(contains(ran.err, "listening_ports")) << ran.err;
  ran = query("SELECT path FROM file WHERE path LIKE '/etc/%'");
  EXPECT_EQ(ran.exit_code, 2) << ran.out;
  EXPECT_TRUE(contains(ran.err, "file")) << ran.err;
  ran = query("SELECT pidd FROM processes");
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_TRUE(contains(ran.err, "did you mean \"pid\"")) << ran.err;
  ran = host_.cli({"query", "--dialect", "mysql", "SELECT 1"});
  EXPECT_EQ(ran.exit_code, 2);
}

TEST(OsqueryFiles, OneStatementMayNameSoManyAndNoMore) {
  Host host;
  host.start_agent({"--set", "query.max_files=2"});
  host.start_procmond();
  ASSERT_TRUE(host.is_steady()) << host.log("agent") << host.log("procmond");
  const auto ask = [&](const std::string& paths) {
    return host.cli({"--output", "csv", "query", "SELECT count(*) AS n FROM file WHERE path IN (" + paths + ")"});
  };
  Ran ran = ask("'/etc/passwd', '/etc/group', '/etc/passwd'");
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(contains(ran.out, "n\r\n2\r\n")) << ran.out;
  ran = ask("'/etc/passwd', '/etc/group', '/etc/not-there'");
  EXPECT_NE(ran.exit_code, 0);
  EXPECT_TRUE(contains(ran.err, "more than 2 paths (query.max_files)")) << ran.err;
}

// The agent is confined as anywhere, and libmagic in it.
TEST_F(Osquery, FilesAreWhatTheirFirstBytesSay) {
  Ran ran = query("SELECT data, mime_type FROM magic WHERE path = '/usr/bin/env'");
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(contains(ran.out, "ELF 64-bit LSB pie executable")) << ran.out;
  EXPECT_TRUE(contains(ran.out, "application/x-pie-executable")) << ran.out;
  ran = query("SELECT m.data FROM file f JOIN magic m USING (path) WHERE path IN ('/usr/bin', '/usr/not-there')");
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(contains(ran.out, "directory")) << ran.out;
  ran = query("SELECT data FROM magic WHERE path = '/etc/passwd'");
  EXPECT_EQ(ran.exit_code, 3) << ran.out;
  EXPECT_TRUE(contains(ran.err, "query.content_dirs")) << ran.err;
  ran = query("SELECT data FROM magic WHERE path LIKE '/usr/bin/%'");
  EXPECT_EQ(ran.exit_code, 2) << ran.out;
  EXPECT_TRUE(contains(ran.err, "named paths only")) << ran.err;
  ran = query("SELECT data FROM magic WHERE path = '/usr/bin/env' AND magic_db_files = '/tmp/mine'");
  EXPECT_NE(ran.exit_code, 0) << ran.out;
  EXPECT_TRUE(contains(ran.err, "magic_db_files")) << ran.err;
}

// Imported, in force within a second, and an alert when somebody does it.
TEST_F(Osquery, AnImportedQueryRaisesAnAlert) {
  test::TempDir dir;
  dir.write(
      "planted.sql",
      "-- Somebody does it\n--\n-- platform: linux\n-- interval: 60\nSELECT pid, path, cmdline FROM process_events "
      "WHERE cmdline LIKE \"%osquery-was-here%\"\n");
  dir.write("other.sql", "SELECT * FROM yara WHERE path = '/x'\n");
  const Ran imported = host_.cli({"rules", "import", "--osquery", dir.path(), "--into", host_.dir() + "/rules.d"});
  EXPECT_EQ(imported.exit_code, 3) << imported.err;
  EXPECT_TRUE(contains(imported.out, "yara")) << imported.out;
  ASSERT_TRUE(fs::exists(host_.dir() + "/rules.d/osquery-planted.yaml")) << imported.out;
  ASSERT_TRUE(eventually([&] { return contains(host_.cli({"rules", "list"}).out, "osquery-planted"); }, 5s));
  const auto raised = [&] {
    (void)run({"/bin/sh", "-c", "exit 0", "osquery-was-here"});
    return contains(test::read_text(host_.dir() + "/alerts.jsonl"), "exit 0 osquery-was-here");
  };
  if (!eventually(raised, 20s) && !test::bpf_must_work()) GTEST_SKIP() << "programs are not seen when they start here";
  EXPECT_TRUE(contains(test::read_text(host_.dir() + "/alerts.jsonl"), "\"rule_id\":\"osquery-planted\""));
}

}  // namespace
}  // namespace de::system_test
