// Settings that change while the programs run: by command, by SIGHUP, and a file that is wrong.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "health_report.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class Reload : public testing::Test {
 protected:
  void write(const std::string& text) const {
    std::ofstream(file + ".new") << text;
    ::chmod((file + ".new").c_str(), 0644);
    ASSERT_EQ(::rename((file + ".new").c_str(), file.c_str()), 0);
  }
  void start(const std::string& text) {
    ASSERT_NO_FATAL_FAILURE(write(text));
    // Not by Host: its flags outrank what the file says.
    host.agent = Background({program("daemoneye-agent"), "--foreground", "--state-dir", host.dir(), "--config", file,
                             "--set", "collectors=[{id: procmond, heartbeat_interval_secs: 1}]"},
                            host.demo_dir() + "/agent.log");
    host.procmond = Background(
        {program("procmond"), "--state-dir", host.dir(), "--config", file, "--set", "events.max_cpu_percent=0"},
        host.demo_dir() + "/procmond.log");
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host); })) << logs_of(host);
  }
  Ran five_rows() {
    return host.cli({"query", "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5"});
  }
  bool is_in_ledger(const std::string& part) {
    return eventually([&] { return contains(host.cli({"audit", "tail", "100", "--output", "jsonl"}).out, part); }, 10s);
  }

  Host host;
  const std::string file = host.dir() + "/own.yaml";
};

TEST_F(Reload, ACommandTakesOverWhatCanBeAndNamesTheRest) {
  ASSERT_NO_FATAL_FAILURE(start("query: {max_rows: 3}\nscan_interval_ms: 3600000\n"));
  EXPECT_NE(five_rows().exit_code, 0);
  ASSERT_TRUE(eventually([&] { return read_health(host).counter("scans") >= 1; }));
  const auto scans = read_health(host).counter("scans");

  ASSERT_NO_FATAL_FAILURE(write("query: {max_rows: 5}\nscan_interval_ms: 1000\nsinks: [{name: log, type: stdout}]\n"));
  const Ran reloaded = host.cli({"config", "reload", "--output", "csv"});
  EXPECT_EQ(reloaded.exit_code, 0) << reloaded.err << logs_of(host);
  EXPECT_TRUE(contains(reloaded.out, "query.max_rows,3,5," + file + ":1:19,in force")) << reloaded.out;
  EXPECT_TRUE(contains(reloaded.out, "scan_interval_ms,3600000,1000,")) << reloaded.out;
  EXPECT_EQ(count_lines(reloaded.out, "sinks"), 1U) << reloaded.out;
  EXPECT_EQ(count_lines(reloaded.out, "after a restart"), 1U) << reloaded.out;
  EXPECT_EQ(five_rows().exit_code, 0) << five_rows().err;
  EXPECT_EQ(read_health(host).detail("settings"), "a restart is needed for sinks");
  // procmond was told its new interval.
  EXPECT_TRUE(eventually([&] { return read_health(host).counter("scans") > scans + 2; }, 60s)) << logs_of(host);
  EXPECT_TRUE(is_in_ledger("config.reloaded")) << logs_of(host);
  EXPECT_TRUE(contains(host.log("agent"), "need_a_restart=\"sinks\"")) << host.log("agent");
  EXPECT_TRUE(contains(host.cli({"config", "reload"}).out, "sinks")) << "it still waits";
}

TEST_F(Reload, AWrongFileChangesNothingAndSaysWhy) {
  ASSERT_NO_FATAL_FAILURE(start("query: {max_rows: 3}\n"));
  ASSERT_NO_FATAL_FAILURE(write("query: {max_rows: 5}\nlog: {level: loud}\n"));
  const Ran refused = host.cli({"config", "reload"});
  EXPECT_EQ(refused.exit_code, 2) << refused.out;
  EXPECT_TRUE(contains(refused.err, file + ":2:14: log.level: expected one of debug, info, warn, error, not \"loud\""))
      << refused.err;
  EXPECT_NE(five_rows().exit_code, 0) << "half of a wrong file was taken over";
  EXPECT_EQ(read_health(host).status("settings"), "degraded");
  EXPECT_TRUE(is_in_ledger("config.refused"));
  host.procmond.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return contains(host.log("procmond"), "settings are as before"); }));
  EXPECT_TRUE(contains(host.log("procmond"), file + ":2:14")) << host.log("procmond");
  EXPECT_TRUE(eventually([&] { return read_health(host).status("collector.procmond.settings") == "degraded"; }))
      << read_health(host).text;
  EXPECT_TRUE(contains(read_health(host).detail("collector.procmond.settings"), file + ":2:14"));

  ASSERT_NO_FATAL_FAILURE(write("query: {max_rows: 5}\n"));
  EXPECT_EQ(host.cli({"config", "reload"}).exit_code, 0);
  EXPECT_EQ(five_rows().exit_code, 0);
  EXPECT_EQ(read_health(host).status("settings"), "ok");
}

TEST_F(Reload, SighupReloadsBothPrograms) {
  ASSERT_NO_FATAL_FAILURE(start("log: {format: human}\nspool: {sync_ms: 1000}\n"));
  ASSERT_NO_FATAL_FAILURE(write("log: {format: json}\nspool: {sync_ms: 500, max_mb: 99}\n"));
  host.agent.signal(SIGHUP);
  host.procmond.signal(SIGHUP);
  const auto is_reloaded = [&](const std::string& name) {
    return contains(host.log(name), "\"message\":\"read again\"");
  };
  EXPECT_TRUE(eventually([&] { return is_reloaded("agent") && is_reloaded("procmond"); })) << logs_of(host);
  EXPECT_TRUE(contains(host.log("procmond"), "\"in_force\":\"log.format, spool.sync_ms\"")) << host.log("procmond");
  EXPECT_TRUE(contains(host.log("procmond"), "\"need_a_restart\":\"spool.max_mb\"")) << host.log("procmond");
  EXPECT_TRUE(is_in_ledger("\\\"spool.max_mb\\\"")) << host.cli({"audit", "tail", "5"}).out;
  // A second time, and nothing but the file was looked at in between.
  ASSERT_NO_FATAL_FAILURE(write("log: {format: human}\n"));
  host.procmond.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return contains(host.log("procmond"), "config: read again in_force=\"log.format, "); }))
      << host.log("procmond");
  EXPECT_TRUE(host.agent.is_running() && host.procmond.is_running());
}

TEST_F(Reload, ReadOnlyIsTakenBackBySighupOnly) {
  ASSERT_NO_FATAL_FAILURE(start(""));
  ASSERT_NO_FATAL_FAILURE(write("control: {read_only: true}\n"));
  EXPECT_EQ(host.cli({"config", "reload"}).exit_code, 0);
  ASSERT_NO_FATAL_FAILURE(write(""));
  const Ran denied = host.cli({"config", "reload"});
  EXPECT_EQ(denied.exit_code, 5);
  EXPECT_TRUE(contains(denied.err, "control.read_only")) << denied.err;
  host.agent.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return host.cli({"config", "reload"}).exit_code == 0; }, 10s)) << logs_of(host);
}

TEST_F(Reload, WhatIsSetCountsAfterAReload) {
  ASSERT_NO_FATAL_FAILURE(start("# ours\nquery:\n  max_rows: 3  # few\n"));
  const Ran set = host.cli({"config", "set", "query.max_rows", "5", "--file", file});
  EXPECT_EQ(set.exit_code, 0) << set.err;
  EXPECT_TRUE(contains(set.out, file + ":3:13: query.max_rows was 3 and is 5; it counts after a reload")) << set.out;
  EXPECT_NE(five_rows().exit_code, 0) << "it counts only after a reload";
  EXPECT_EQ(host.cli({"config", "reload"}).exit_code, 0);
  EXPECT_EQ(five_rows().exit_code, 0);

  const Ran refused = host.cli({"config", "set", "collect.unmasked_arguments", "true", "--file", file});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_TRUE(contains(refused.err, "Passwords and tokens")) << refused.err;
  EXPECT_EQ(host.cli({"config", "set", "collect.unmasked_arguments", "true", "--file", file, "--yes"}).exit_code, 0);
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  EXPECT_EQ(text.str(), "# ours\nquery:\n  max_rows: 5  # few\ncollect:\n  unmasked_arguments: true\n");
  host.procmond.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return contains(host.log("procmond"), "need_a_restart=\"collect.unmasked"); }))
      << host.log("procmond");
  EXPECT_TRUE(eventually([&] {
    return read_health(host).detail("collector.procmond.settings") ==
           "a restart is needed for collect.unmasked_arguments";
  })) << read_health(host).text;
}

}  // namespace
}  // namespace de::system_test
