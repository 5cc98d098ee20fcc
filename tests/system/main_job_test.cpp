// The product as its users meet it: three real programs, one private state directory.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>

#include "daemons.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

// Matches what `host` runs with run_from_tmp().
std::string demo_rule(const Host& host) {
  return R"(id: run-from-demo
name: Program in a demo directory
description: A program runs from the directory this test made.
severity: high
sql: |
  SELECT pid, name, executable_path, command_line, user_name FROM processes
  WHERE executable_path LIKE ')" +
         host.demo_dir() + "/%'\n";
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

class MainJob : public testing::Test {
 protected:
  void start() {
    host.write_rule("demo.yaml", demo_rule(host));
    host.start_agent();
    host.start_procmond();
    ASSERT_TRUE(host.is_steady()) << host.log("agent") << host.log("procmond");
  }
  // Of the rule of these tests: a changed rule file is an alert of its own.
  std::size_t alert_count() {
    const Ran listed = host.cli({"--output", "jsonl", "alerts", "list"});
    std::istringstream rows(listed.out);
    std::size_t count = 0;
    for (std::string row; std::getline(rows, row);)
      if (contains(row, "\"rule\":\"run-from-demo\"")) ++count;
    return count;
  }
  Host host;
};

TEST_F(MainJob, AProcessIsSeenStoredMatchedAlertedAndFound) {
  start();
  const pid_t pid = host.run_from_tmp("harmless");
  ASSERT_TRUE(eventually([&] { return alert_count() == 1; })) << host.log("agent") << host.cli({"health"}).out;
  // The alert may be of the event; the next snapshot has the process, too.
  Ran found;
  EXPECT_TRUE(eventually([&] {
    found = host.cli({"--output", "jsonl", "query", "SELECT pid, name FROM processes WHERE pid = ?", "--param",
                      std::to_string(pid)});
    return contains(found.out, "harmless");
  })) << found.out;
  EXPECT_EQ(found.exit_code, 0) << found.err;
  const Ran health = host.cli({"health"});
  EXPECT_EQ(health.exit_code, 0) << health.out << health.err;
  EXPECT_TRUE(contains(health.out, "SteadyState"));
  // The collector's own numbers come with every scan, not half a minute later.
  Ran seen;
  EXPECT_TRUE(eventually(
      [&] {
        seen = host.cli({"--output", "csv", "health", "collector.procmond.chunks_sent"});
        return seen.exit_code == 0 && !contains(seen.out, ",ok,0");
      },
      10s))
      << seen.out;
  EXPECT_TRUE(eventually([&] { return std::filesystem::file_size(host.dir() + "/alerts.jsonl") > 0; }));
}

TEST_F(MainJob, AnAlertIsNotRepeatedForTheSameProcess) {
  start();
  host.run_from_tmp("once");
  ASSERT_TRUE(eventually([&] { return alert_count() == 1; }));
  // Three more scans.
  const auto scans = [&] {
    return host.cli({"--output", "csv", "query", "SELECT DISTINCT scan_id FROM processes"}).out;
  };
  for (int i = 0; i < 3; ++i) {
    const std::string before = scans();
    ASSERT_TRUE(eventually([&] { return scans() != before; }));
  }
  EXPECT_EQ(alert_count(), 1U);
}

TEST_F(MainJob, EveryProcessIsThere) {
  start();
  // These three have lived since before the scan.
  std::vector<std::string> question = {"--output", "csv", "query",
                                       "SELECT count(*) FROM processes WHERE pid IN (?, ?, ?)"};
  for (const pid_t pid : {::getpid(), host.agent.pid(), host.procmond.pid()}) {
    question.emplace_back("--param");
    question.push_back(std::to_string(pid));
  }
  EXPECT_TRUE(contains(host.cli(question).out, "\n3")) << host.cli(question).out;
}

TEST_F(MainJob, KillingTheAgentLosesNoAlertAndDoublesNone) {
  start();
  host.run_from_tmp("before");
  ASSERT_TRUE(eventually([&] { return alert_count() == 1; }));
  for (int round = 0; round < 5; ++round) {
    host.agent.signal(SIGKILL);
    host.agent.wait(5s);
    host.start_agent();
    ASSERT_TRUE(host.is_steady()) << host.log("agent");
    EXPECT_EQ(alert_count(), 1U);
  }
  EXPECT_EQ(host.cli({"audit", "verify"}).exit_code, 0);
}

TEST_F(MainJob, KillingProcmondIsSeenAndHeals) {
  start();
  host.procmond.signal(SIGKILL);
  host.procmond.wait(5s);
  Ran degraded;
  ASSERT_TRUE(eventually([&] {
    degraded = host.cli({"query", "SELECT count(*) FROM processes"});
    return degraded.exit_code == 3;
  }));
  EXPECT_TRUE(contains(degraded.err, "CollectorUnavailable")) << degraded.err;
  EXPECT_EQ(host.cli({"health"}).exit_code, 1);
  // Nobody can end the monitor in silence.
  EXPECT_TRUE(eventually([&] {
    return lines(host.cli({"--output", "jsonl", "alerts", "list", "--rule", "daemoneye.collector-unavailable"}).out) ==
           1;
  })) << host.log("agent");
  host.start_procmond();
  EXPECT_TRUE(host.is_steady()) << host.log("procmond");
  const Ran verified = host.cli({"audit", "verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
}

TEST_F(MainJob, TerminationDrainsAndLeavesAnIntactLedger) {
  start();
  host.procmond.signal(SIGTERM);
  EXPECT_EQ(host.procmond.wait(20s), 0) << host.log("procmond");
  host.agent.signal(SIGTERM);
  EXPECT_EQ(host.agent.wait(20s), 0) << host.log("agent");
  EXPECT_FALSE(std::filesystem::exists(host.dir() + "/broker.sock"));
  const Ran tail = host.cli({"audit", "tail"});
  EXPECT_EQ(tail.exit_code, 0) << tail.err;
  for (const char* action : {"procmond.start", "privileges.held", "collector.admitted", "agent.start", "procmond.stop"})
    EXPECT_TRUE(contains(tail.out, action)) << action << "\n" << tail.out;
}

TEST_F(MainJob, ATamperedLedgerIsNamed) {
  start();
  host.procmond.signal(SIGTERM);
  host.procmond.wait(20s);
  const std::string path = host.dir() + "/ledger/ledger-00000001.log";
  ASSERT_TRUE(std::filesystem::exists(path));
  FILE* file = std::fopen(path.c_str(), "r+");
  ASSERT_NE(file, nullptr);
  std::fseek(file, 60, SEEK_SET);
  std::fputc('X', file);
  std::fclose(file);
  const Ran verified = host.cli({"audit", "verify"});
  EXPECT_EQ(verified.exit_code, 6) << verified.out << verified.err;
}

TEST_F(MainJob, ARuleWrittenLaterIsInForceSoon) {
  host.start_agent();
  host.start_procmond();
  ASSERT_TRUE(host.is_steady());
  host.run_from_tmp("later");
  EXPECT_EQ(alert_count(), 0U);
  host.write_rule("demo.yaml", demo_rule(host));
  EXPECT_TRUE(eventually([&] { return alert_count() == 1; })) << host.cli({"rules", "list"}).out;
}

TEST_F(MainJob, ABrokenRuleFileKeepsTheGoodRule) {
  start();
  host.write_rule("demo.yaml", "id: run-from-demo\nname: x\nseverty: high\nsql: SELECT 1\n");
  ASSERT_TRUE(eventually([&] { return contains(host.cli({"health"}).out, "severty"); })) << host.cli({"health"}).out;
  host.run_from_tmp("still-caught");
  EXPECT_TRUE(eventually([&] { return alert_count() == 1; }));
}

TEST_F(MainJob, ASecondAgentOnTheSameDirectoryIsRefused) {
  start();
  const Ran second = run({program("daemoneye-agent"), "--foreground", "--state-dir", host.dir()});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_TRUE(contains(second.err, "another agent")) << second.err;
  EXPECT_EQ(host.cli({"query", "SELECT 1"}).exit_code, 0);
}

TEST_F(MainJob, RefusedSqlSaysWhy) {
  start();
  struct Case {
    const char* sql;
    const char* says;
  };
  for (const Case& c : {Case{"DELETE FROM processes", "DELETE"}, Case{"SELECT nmae FROM processes", "name"},
                        Case{"SELECT * FROM proceses", "processes"}, Case{"SELECT 1; SELECT 2", "one"}}) {
    const Ran refused = host.cli({"query", c.sql});
    EXPECT_EQ(refused.exit_code, 2) << c.sql;
    EXPECT_TRUE(contains(refused.err, c.says)) << c.sql << ": " << refused.err;
    EXPECT_EQ(refused.out, "") << c.sql;
  }
}

TEST_F(MainJob, ARunawayQueryEndsWhileOthersAreAnswered) {
  start();
  const Ran stopped =
      host.cli({"query", "--timeout", "500",
                "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"});
  EXPECT_EQ(stopped.exit_code, 1) << stopped.err;
  EXPECT_EQ(host.cli({"query", "SELECT 1"}).exit_code, 0);
}

TEST_F(MainJob, TheDaemonsDoNotRunAsRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root: there is nothing to drop";
  start();
  const Ran owners =
      host.cli({"--output", "csv", "query",
                "SELECT euid, cap_effective, no_new_privs FROM processes WHERE name IN "
                "('procmond', 'daemoneye-agent') AND pid IN (?, ?) ORDER BY name",
                "--param", std::to_string(host.agent.pid()), "--param", std::to_string(host.procmond.pid())});
  EXPECT_TRUE(contains(owners.out, "64124,0,1")) << owners.out;
  EXPECT_TRUE(contains(owners.out, "64123,0,1")) << owners.out;
}

TEST(Console, SaysThatTheAgentIsNotThere) {
  Host host;
  const Ran ran = host.cli({"query", "SELECT 1"});
  EXPECT_EQ(ran.exit_code, 4);
  EXPECT_TRUE(contains(ran.err, host.dir())) << ran.err;
}

TEST(ProcmondOnce, PrintsOneSnapshotWithoutAnAgent) {
  const Ran ran = run({program("procmond"), "--once"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_GT(lines(ran.out), 2U);
  EXPECT_TRUE(contains(ran.out, "{\"pid\":" + std::to_string(::getpid()) + ","));
}

TEST(Programs, RefuseWhatTheyDoNotKnow) {
  for (const char* name : {"procmond", "daemoneye-agent"}) {
    EXPECT_EQ(run({program(name), "--nosuch"}).exit_code, 2) << name;
    const Ran ran = run({program(name), "--state-dir", "/tmp/de-nosuch/x", "--set", "scan_intervall_ms=5"});
    EXPECT_EQ(ran.exit_code, 2) << name;
    EXPECT_TRUE(contains(ran.err, "scan_interval_ms")) << name << ": " << ran.err;
    EXPECT_EQ(run({program(name), "--version"}).exit_code, 0) << name;
  }
}

}  // namespace
}  // namespace de::system_test
