// Processes come and go while the agent stands still or is gone. procmond sees them all, what runs on the host does not
// notice, and what could not be kept is the oldest and known exactly.
//
// DE_STANDSTILL_SECONDS (60 is what we promise) and DE_GONE_SECONDS make it longer, DE_STANDSTILL_RATE denser.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <iostream>

#include "watched_load.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class Standstill : public WatchedLoad {
 protected:
  Load begin(const char* name, std::uint64_t seconds, std::uint64_t rate) const {
    return {host.dir() + "/" + name,
            {"storm", "--count", std::to_string(seconds * rate), "--rate", std::to_string(rate)}};
  }
};

// Microseconds from before the fork until the program was executed, the median of all.
double exec_latency_us(const Truth& truth) {
  std::vector<double> all;
  for (const auto& [id, one] : truth.processes)
    all.push_back(static_cast<double>(one.forked_before_ns - one.forked_after_ns) / 1e3);
  if (all.empty()) return 0;
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

TEST_F(Standstill, OfTheAgentCostsNoEventAndNoTime) {
  START_OR_SKIP();
  const std::uint64_t seconds = number_from("DE_STANDSTILL_SECONDS", 6), rate = number_from("DE_STANDSTILL_RATE", 300);
  const Truth before = begin("before", std::min<std::uint64_t>(seconds, 10), rate).finish();
  Load load = begin("during", seconds, rate);
  host.agent.signal(SIGSTOP);
  const Truth during = load.finish();
  host.agent.signal(SIGCONT);
  for (const Truth* truth : {&before, &during}) {
    const Seen seen = wait_for(*truth);
    for (const auto& [id, one] : truth->processes) {
      ASSERT_EQ(seen.execs.count(one.nonce), 1U) << one.nonce;
      ASSERT_NO_FATAL_FAILURE(compare(one, seen.execs.find(one.nonce)->second, seen));
    }
  }
  expect_balanced_books();
  EXPECT_EQ(read_health(host).number("store", "gaps"), 0U) << read_health(host).text;
  EXPECT_TRUE(host.is_steady()) << "nothing is missing: the answer is complete";
  const double with = exec_latency_us(before), without = exec_latency_us(during);
  std::cout << "fork and exec: " << with << " us with the agent, " << without << " us while it stood still for "
            << seconds << " s, ratio " << without / with << std::endl;
  EXPECT_LE(without, with * 10);
}

TEST_F(Standstill, WhatTheSpoolShedsWithoutAnAgentIsTheOldest) {
  START_OR_SKIP({"--set", "spool.max_mb=1"});
  ASSERT_TRUE(eventually([&] { return is_settled(1); })) << read_health(host).text;
  const std::uint64_t stored_before = read_health(host).number("store", "events").value_or(0);
  constexpr std::uint64_t kRate = 500;
  const std::uint64_t seconds = number_from("DE_GONE_SECONDS", 8);
  ASSERT_NO_FATAL_FAILURE(kill_agent());
  const Truth truth = begin("gone", seconds, kRate).finish();
  start_agent();
  ASSERT_TRUE(eventually([&] { return is_running_steadily(host); }, 60s)) << logs_of(host);
  const std::uint64_t at_least = stored_before + 3 * truth.processes.size();
  ASSERT_TRUE(eventually([&] { return is_settled(at_least); }, 120s)) << read_health(host).text << logs_of(host);
  const HealthReport health = read_health(host);
  const std::uint64_t lost = health.lost_events().value_or(0);
  ASSERT_GT(lost, 0U) << "a megabyte held it all" << health.text;
  // What a killed agent had stored and not yet acknowledged may be shed as well.
  EXPECT_LE(lost, health.counter("spool_shed")) << health.text;
  EXPECT_LE(health.counter("spool_shed"), lost + 500) << health.text;

  // The numbers that are not stored are as many as are lost, and all but a few of them in one range: what came before
  // it was stored already, what comes behind it is the newest.
  const std::vector<Row> holes =
      query_rows(host,
                 "SELECT sequence, before FROM (SELECT sequence, lag(sequence) OVER (ORDER BY sequence) AS before "
                 "FROM processes.events) WHERE sequence > before + 1");
  std::uint64_t missing_numbers = 0, largest = 0;
  for (const Row& hole : holes) {
    const std::uint64_t numbers = std::stoull(hole.at("sequence")) - std::stoull(hole.at("before")) - 1;
    missing_numbers += numbers;
    largest = std::max(largest, numbers);
  }
  EXPECT_EQ(missing_numbers, lost) << health.text;
  EXPECT_GE(largest + 500 + health.counter("kernel_dropped"), lost) << health.text;

  // Events of our processes that are not there are lost ones, and they are older than those that are.
  // Others' events count as well, so the last of ours may still be on their way. On a host so busy that all that was
  // kept is of others it never comes.
  Seen seen;
  (void)eventually(
      [&] {
        seen = read_seen(host);
        return seen.execs.contains(truth.processes.rbegin()->second.nonce);
      },
      20s);
  std::uint64_t missing = 0, newest_missing = 0, oldest_seen = UINT64_MAX;
  for (const auto& [id, one] : truth.processes) {
    const auto exec = seen.execs.find(one.nonce);
    if (exec == seen.execs.end()) {
      ++missing;
      newest_missing = std::max(newest_missing, id);
      continue;
    }
    EXPECT_EQ(seen.execs.count(one.nonce), 1U) << one.nonce;
    oldest_seen = std::min(oldest_seen, id);
  }
  std::cout << truth.summary << lost << " events lost, with them " << missing << " of " << truth.processes.size()
            << " executions; kept from number " << oldest_seen << " on" << std::endl;
  EXPECT_LE(missing, lost);
  // Two workers start them: neighbours may have changed places. On a busy host all that was kept may be of others.
  if (health.counter("kernel_dropped") == 0 && oldest_seen != UINT64_MAX) {
    EXPECT_LE(newest_missing, oldest_seen + 4) << "one was shed that is younger than one that was kept";
  }
}

}  // namespace
}  // namespace de::system_test
