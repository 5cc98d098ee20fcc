// What is done to us without our being told is noticed all the same, and an alert says so.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "closed_from_outside.h"
#include "health_report.h"
#include "kernel_support.h"

namespace de::system_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Integrity : public testing::Test {
 protected:
  void start(std::vector<std::string> agent = {"--set", "canary.interval_secs=1"}) {
    host.start_agent(std::move(agent));
    host.start_procmond();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host) && host.is_steady(); })) << logs_of(host);
  }
  // As they arrive at the sink.
  std::string alerts() {
    std::ifstream file(host.dir() + "/alerts.jsonl");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string ledger() { return host.cli({"audit", "tail", "100"}).out; }
  std::string canary() { return read_health(host).detail("canary"); }
  bool sees_by_bpf() { return read_health(host).detail("collector.procmond.events") == "bpf"; }
  void expect_alert(const char* rule, const std::string& text) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(eventually([&] { return contains(alerts(), rule) && contains(alerts(), text); }))
        << rule << ": " << alerts() << logs_of(host);
    const auto took = std::chrono::steady_clock::now() - begin;
    std::cout << rule << ": " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms\n";
  }
  Host host;
};

#define NEEDS_BPF()                                                                                    \
  if (!eventually([&] { return sees_by_bpf(); }, 10s)) {                                               \
    ASSERT_FALSE(test::bpf_must_work()) << read_health(host).text;                                     \
    GTEST_SKIP() << "processes are seen by " << read_health(host).detail("collector.procmond.events"); \
  }

TEST_F(Integrity, WhatIsStartedToBeSeenIsSeen) {
  start();
  NEEDS_BPF();
  const auto all_of_five = [](const std::string& said) {
    unsigned seen = 0, started = 0;
    return std::sscanf(said.c_str(), "%u of %u seen", &seen, &started) == 2 && seen == started && seen >= 5;
  };
  EXPECT_TRUE(eventually([&] { return all_of_five(canary()); }, 60s)) << canary() << logs_of(host);
  EXPECT_FALSE(contains(alerts(), "canary")) << alerts();
  const std::string ended = "ps -o stat= --ppid $(pgrep -P " + std::to_string(host.agent.pid()) + ") | grep Z";
  EXPECT_TRUE(eventually([&] { return run({"/bin/sh", "-c", ended}).out.empty(); })) << "nothing of it stays";
}

TEST_F(Integrity, WhereNothingIsStartedAnyMoreToBeSeenThatIsAnAlert) {
  start();
  NEEDS_BPF();
  ASSERT_TRUE(eventually([&] { return contains(canary(), "seen, the last one within"); })) << canary();
  ASSERT_EQ(run({"/usr/bin/pkill", "-STOP", "-P", std::to_string(host.agent.pid())}).exit_code, 0);
  expect_alert("daemoneye.canary-unseen", "the launcher does not answer");
  EXPECT_EQ(host.cli({"query", "SELECT count(*) FROM processes"}).exit_code, 3) << "and answers say so";
  ASSERT_EQ(run({"/usr/bin/pkill", "-CONT", "-P", std::to_string(host.agent.pid())}).exit_code, 0);
  EXPECT_TRUE(eventually([&] {
    return host.cli({"query", "SELECT count(*) FROM processes"}).exit_code == 0;
  })) << canary()
      << logs_of(host);
}

TEST_F(Integrity, AProgramInTheKernelThatIsTakenAwayIsAnAlert) {
  start();
  NEEDS_BPF();
  // A trouble that is there already hides no other.
  ASSERT_EQ(run({"/usr/bin/pkill", "-KILL", "-P", std::to_string(host.procmond.pid())}).exit_code, 0);
  expect_alert("daemoneye.collection-failed", "the opener has ended");
  const int link = std::max(find_descriptor(host.procmond.pid(), "link_type:\traw_tracepoint"),
                            find_descriptor(host.procmond.pid(), "link_type:\ttracing"));
  ASSERT_GE(link, 0) << "procmond has no link to its programs";
  std::string failure;
  (void)eventually([&] {
    failure = close_from_outside(host.procmond.pid(), link);
    return failure != "it is not in a system call";
  });
  if (contains(failure, "x86-64")) GTEST_SKIP() << failure;
  ASSERT_EQ(failure, "");
  expect_alert("daemoneye.collection-failed", "was taken away");
  EXPECT_TRUE(contains(ledger(), "backend.degraded"));
  const pid_t child = host.run_from_tmp("later");
  EXPECT_TRUE(eventually([&] {
    return contains(host.cli({"query", "SELECT 'seen' FROM processes.events WHERE event_type = 'start' AND pid = " +
                                           std::to_string(child)})
                        .out,
                    "seen");
  })) << "by other means"
      << logs_of(host);
}

TEST_F(Integrity, AFrozenProcmondIsAnAlert) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string freezer = "/sys/fs/cgroup/freezer";
  const bool is_old = fs::exists(freezer);
  const std::string group = (is_old ? freezer : "/sys/fs/cgroup") + "/de-test-" + std::to_string(::getpid());
  std::error_code ec;
  if (!fs::create_directory(group, ec)) GTEST_SKIP() << "no cgroup can be made: " << ec.message();
  start();
  std::ofstream(group + "/cgroup.procs") << host.procmond.pid();
  std::ofstream(group + (is_old ? "/freezer.state" : "/cgroup.freeze")) << (is_old ? "FROZEN" : "1");
  expect_alert("daemoneye.collector-unavailable", "procmond");
  const pid_t meanwhile = host.run_from_tmp("while-it-was-frozen");
  std::ofstream(group + (is_old ? "/freezer.state" : "/cgroup.freeze")) << (is_old ? "THAWED" : "0");
  EXPECT_TRUE(eventually([&] { return is_running_steadily(host); })) << logs_of(host);
  EXPECT_TRUE(eventually([&] {
    return contains(host.cli({"query", "SELECT 'seen' FROM processes WHERE pid = " + std::to_string(meanwhile)}).out,
                    "seen");
  })) << logs_of(host);
  host.procmond.signal(SIGKILL);
  (void)host.procmond.wait(10s);
  fs::remove(group, ec);
}

TEST_F(Integrity, AChangedFileOfOursIsAnAlert) {
  const std::string settings = host.dir() + "/settings.yaml";
  std::ofstream(settings) << "scan_interval_ms: 2000\n";
  start({"--config", settings});
  EXPECT_FALSE(contains(alerts(), "daemoneye.file-changed")) << alerts();
  std::ofstream(settings, std::ios::app) << "query:\n  max_rows: 7\n";
  expect_alert("daemoneye.file-changed", settings + " was written to");
  EXPECT_TRUE(eventually([&] { return contains(ledger(), "integrity.noticed"); })) << ledger();
  EXPECT_EQ(host.cli({"query", "SELECT count(*) FROM processes"}).exit_code, 0) << "nothing is missing for it";
}

TEST_F(Integrity, AFileOfOursThatIsChangedWhileTheAgentIsAwayIsAnAlert) {
  const std::string settings = host.dir() + "/settings.yaml";
  std::ofstream(settings) << "scan_interval_ms: 2000\n";
  start({"--config", settings});
  std::this_thread::sleep_for(1s);  // Twice as long as it takes to write down how they are.
  host.agent.signal(SIGKILL);
  (void)host.agent.wait(10s);
  host.start_agent({"--config", settings});
  ASSERT_TRUE(eventually([&] { return host.is_steady(); })) << logs_of(host);
  EXPECT_FALSE(contains(alerts(), "daemoneye.file-changed")) << alerts() << "nothing was changed";
  host.agent.signal(SIGTERM);
  EXPECT_EQ(host.agent.wait(20s), 0);
  std::ofstream(settings, std::ios::app) << "query:\n  max_rows: 7\n";
  host.start_agent({"--config", settings});
  expect_alert("daemoneye.file-changed", settings + " was written to while the agent did not run");
}

TEST_F(Integrity, AProgramOfOursThatIsReplacedIsAnAlert) {
  const std::string bin = host.dir() + "/bin";
  fs::create_directory(bin);
  for (const char* name : {"daemoneye-agent", "procmond"}) fs::copy_file(program(name), bin + "/" + name);
  host.agent = Background({bin + "/daemoneye-agent", "--state-dir", host.dir(), "--set", "scan_interval_ms=1000"},
                          host.demo_dir() + "/agent.log");
  host.start_procmond();
  ASSERT_TRUE(eventually([&] { return is_running_steadily(host) && host.is_steady(); })) << logs_of(host);
  fs::copy_file("/bin/true", bin + "/new");
  fs::rename(bin + "/new", bin + "/procmond");
  expect_alert("daemoneye.file-changed", bin + "/procmond was replaced");
}

TEST_F(Integrity, ChangedRulesAreAnAlertThatNamesThem) {
  start();
  EXPECT_FALSE(contains(alerts(), "daemoneye.rules-changed")) << alerts();
  host.write_rule("planted.yaml", rule_for_demos(host, "planted"));
  expect_alert("daemoneye.rules-changed", "added planted");
  fs::remove(host.dir() + "/rules.d/planted.yaml");
  EXPECT_TRUE(eventually([&] { return contains(ledger(), "removed planted"); })) << ledger();
}

TEST_F(Integrity, RulesThatAreChangedWhileTheAgentIsAwayAreAnAlert) {
  start();
  host.write_rule("planted.yaml", rule_for_demos(host, "planted"));
  expect_alert("daemoneye.rules-changed", "added planted");
  std::this_thread::sleep_for(1s);  // Twice as long as it takes to write down how they are.
  host.agent.signal(SIGKILL);
  (void)host.agent.wait(10s);
  host.write_rule("planted.yaml", "# The same.\n" + rule_for_demos(host, "planted"));
  host.start_agent();
  ASSERT_TRUE(eventually([&] { return host.is_steady(); })) << logs_of(host);
  EXPECT_FALSE(contains(ledger(), "while the agent did not run")) << ledger() << "nothing was changed";
  host.agent.signal(SIGTERM);
  EXPECT_EQ(host.agent.wait(20s), 0);
  host.write_rule("planted.yaml", rule_for_demos(host, "another"));
  host.start_agent();
  // Folded into the alert of a moment ago; the ledger has each.
  EXPECT_TRUE(eventually([&] {
    return contains(ledger(), "while the agent did not run: added another; removed planted");
  })) << ledger();
}

}  // namespace
}  // namespace de::system_test
