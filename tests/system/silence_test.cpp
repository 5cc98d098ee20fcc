// What nobody is told of is not seen: one of our processes stands still or is taken away, and another one says so.
// Promised are 3 s; what it took is printed.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "health_report.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class Silence : public testing::Test {
 protected:
  void SetUp() override {
    host.start_agent();
    host.start_procmond();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host) && host.is_steady(); })) << logs_of(host);
  }
  std::string alerts() { return host.cli({"--output", "jsonl", "alerts", "list", "--limit", "100"}).out; }
  std::string ledger() { return host.cli({"audit", "tail"}).out; }
  // Until `said`, and how long that took.
  template <class Said>
  void expect_within_reason(const char* what, const Said& said) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(eventually(said)) << what << logs_of(host);
    const auto took = std::chrono::steady_clock::now() - begin;
    std::cout << what << ": " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms\n";
  }
  Host host;
};

TEST_F(Silence, OfAStoppedProcmondIsAnAlert) {
  host.procmond.signal(SIGSTOP);
  expect_within_reason("alert after SIGSTOP of procmond",
                       [&] { return contains(alerts(), "daemoneye.collector-unavailable"); });
  EXPECT_EQ(host.cli({"query", "SELECT count(*) FROM processes"}).exit_code, 3) << "and answers say so";
  const pid_t meanwhile = host.run_from_tmp("while-it-stood");
  host.procmond.signal(SIGCONT);
  EXPECT_TRUE(eventually([&] { return is_running_steadily(host); })) << logs_of(host);
  const std::string sql =
      "SELECT 'seen' FROM processes.events WHERE event_type = 'exec' AND pid = " + std::to_string(meanwhile);
  if (::geteuid() == 0) {
    EXPECT_TRUE(eventually([&] { return contains(host.cli({"query", sql}).out, "seen"); })) << "the kernel kept it";
  }
}

TEST_F(Silence, OfAStoppedAgentIsALedgerEntryWithItsEdges) {
  host.agent.signal(SIGSTOP);
  std::this_thread::sleep_for(5s);
  host.agent.signal(SIGCONT);
  EXPECT_TRUE(eventually([&] { return contains(ledger(), "agent.heard"); })) << ledger();
  EXPECT_TRUE(contains(ledger(), "agent.silent")) << ledger();
  EXPECT_FALSE(contains(alerts(), "daemoneye.collector-unavailable")) << "it was the agent that did not listen";
}

TEST_F(Silence, OfAKilledProcmondIsAnAlert) {
  host.procmond.signal(SIGKILL);
  expect_within_reason("alert after SIGKILL of procmond",
                       [&] { return contains(alerts(), "daemoneye.collector-unavailable"); });
}

TEST_F(Silence, OfItsOpenerIsAnAlert) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(run({"/usr/bin/pkill", "-KILL", "-P", std::to_string(host.procmond.pid())}).exit_code, 0);
  expect_within_reason("alert after SIGKILL of the opener",
                       [&] { return contains(alerts(), "daemoneye.collection-failed"); });
  EXPECT_TRUE(contains(ledger(), "opener.ended"));
  EXPECT_TRUE(host.procmond.is_running());
}

}  // namespace
}  // namespace de::system_test
