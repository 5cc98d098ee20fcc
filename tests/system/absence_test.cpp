// The agent is away for a while: procmond goes on and keeps what it saw; what it could not keep is known exactly.
//
// DE_ABSENCE_SECONDS makes the absence longer than 20 s.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "health_report.h"
#include "spool_state.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

std::chrono::seconds absence() {
  const char* wanted = std::getenv("DE_ABSENCE_SECONDS");
  return std::chrono::seconds(wanted != nullptr ? std::max(1, std::atoi(wanted)) : 20);
}

class Absence : public testing::Test {
 protected:
  void start(std::vector<std::string> procmond_flags = {}) {
    host.write_rule("demo.yaml", rule_for_demos(host));
    start_agent();
    host.start_procmond(std::move(procmond_flags));
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host) && host.is_steady(); })) << logs_of(host);
  }
  void start_agent() { host.start_agent({"--set", "collectors=[{id: procmond, heartbeat_interval_secs: 1}]"}); }
  void kill_agent() {
    host.agent.signal(SIGKILL);
    ASSERT_EQ(host.agent.wait(10s), 128 + SIGKILL);
  }
  // Everything that procmond had numbered when it last wrote that down is stored or in a gap, and nothing else is. It
  // may have written before the absence: `at_least` events have to be known as well.
  bool is_settled(std::string& books, std::uint64_t at_least = 0) {
    const auto spool = read_spool_state(host.dir());
    const HealthReport health = read_health(host);
    const std::uint64_t acknowledged = health.counter("acknowledged");
    if (!spool) return false;
    books = std::to_string(spool->last_sequence) + " numbered, " + std::to_string(acknowledged) + " acknowledged; " +
            health.detail("store") + "; " + health.detail("ingest.events");
    return is_exact(health) && acknowledged >= spool->last_sequence && acknowledged >= at_least;
  }
  Host host;
};

TEST_F(Absence, WhatStartsAndStopsMeanwhileArrivesLater) {
  ASSERT_NO_FATAL_FAILURE(start());
  std::string books;
  ASSERT_TRUE(eventually([&] { return is_settled(books); })) << books << logs_of(host);
  const std::uint64_t before = read_health(host).number("store", "events").value_or(0);
  ASSERT_NO_FATAL_FAILURE(kill_agent());

  // Each lives through two scans at least. The time is what is tested here.
  int started = 0;
  for (const auto end = std::chrono::steady_clock::now() + absence(); std::chrono::steady_clock::now() < end;) {
    std::vector<Background> batch;
    for (int i = 0; i < 5; ++i) batch.emplace_back(std::vector<std::string>{"/bin/sleep", "60"}, "/dev/null");
    started += 5;
    std::this_thread::sleep_for(2500ms);
  }
  const pid_t stays = host.run_from_tmp("stays");
  EXPECT_TRUE(host.procmond.is_running());

  const auto returned = std::chrono::steady_clock::now();
  start_agent();
  ASSERT_TRUE(eventually([&] { return is_running_steadily(host); }, 60s)) << logs_of(host);
  std::cout
      << "steady "
      << std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - returned).count()
      << " ms after an absence of " << absence().count() << " s" << std::endl;
  const std::uint64_t starts_and_ends = before + 2 * static_cast<std::uint64_t>(started);
  ASSERT_TRUE(eventually([&] { return is_settled(books, starts_and_ends); }, 60s))
      << books << ", expected at least " << starts_and_ends << "\n"
      << read_health(host).text << logs_of(host);
  std::cout << books << std::endl;
  const HealthReport health = read_health(host);
  EXPECT_EQ(health.number("store", "gaps"), 0U) << health.text;
  EXPECT_TRUE(host.is_steady()) << "nothing is missing: the answer is complete";
  EXPECT_TRUE(eventually([&] { return alerted_names(host).size() == 1; })) << stays << logs_of(host);
}

TEST_F(Absence, WhatTheSpoolHadToShedIsKnownExactly) {
  ASSERT_NO_FATAL_FAILURE(start({"--set", "spool.max_mb=1"}));
  std::string books;
  ASSERT_TRUE(eventually([&] { return is_settled(books); })) << books << logs_of(host);
  const std::uint64_t before = read_health(host).number("store", "events").value_or(0);
  ASSERT_NO_FATAL_FAILURE(kill_agent());
  // Each event carries its long command line; many times more than a megabyte of them.
  const std::string long_argument(30'000, 'x');
  for (int round = 0; round < 4; ++round) {
    std::vector<Background> crowd;
    for (int i = 0; i < 60; ++i)
      crowd.emplace_back(std::vector<std::string>{"/bin/sh", "-c", "sleep 60 & wait", long_argument}, "/dev/null");
    std::this_thread::sleep_for(2500ms);
    for (const Background& shell : crowd) shell.signal(SIGTERM);
  }
  start_agent();
  ASSERT_TRUE(eventually([&] { return is_running_steadily(host); }, 60s)) << logs_of(host);
  // A start and an end of each of 60 shells in four rounds.
  ASSERT_TRUE(eventually([&] { return is_settled(books, before + 480); }, 60s))
      << books << "\n"
      << read_health(host).text << logs_of(host);
  std::cout << books << std::endl;
  const HealthReport health = read_health(host);
  const std::uint64_t lost = health.lost_events().value_or(0);
  EXPECT_GT(lost, 0U) << health.text;
  // procmond sheds what is not acknowledged; the last commits of a killed agent may not have been.
  EXPECT_LE(lost, health.counter("spool_shed")) << "procmond's count of what it shed" << health.text;
  EXPECT_LE(health.counter("spool_shed") - lost, 500U) << health.text;
  EXPECT_GT(health.number("store", "events").value_or(0), before) << "the newest were kept";
  EXPECT_GE(health.number("store", "gaps").value_or(0), 1U);

  // Every answer says so, also those of an agent that was started later.
  for (int agents = 0; agents < 2; ++agents) {
    Ran asked;
    EXPECT_TRUE(eventually([&] {
      asked = host.cli({"query", "SELECT count(*) FROM processes"});
      return asked.exit_code == 3 && contains(asked.err, "EventsShed");
    })) << asked.exit_code
        << asked.err;
    EXPECT_TRUE(eventually([&] {
      return contains(host.cli({"alerts", "list"}).out, "Events were lost");
    })) << host.cli({"alerts", "list"}).out
        << logs_of(host);
    ASSERT_NO_FATAL_FAILURE(kill_agent());
    start_agent();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host); }, 60s)) << logs_of(host);
  }
}

}  // namespace
}  // namespace de::system_test
