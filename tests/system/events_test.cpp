// Every process is seen, however short it lives, as it was, and what was lost is known exactly. The truth is that of
// our own load generator, which logs what it started and how it ended.
//
// DE_EVENTS_COUNT, DE_EVENTS_RATE and DE_EVENTS_TREES make it larger: 100000, 2000 and 10000 are the sizes we promise.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>

#include "kernel_support.h"
#include "watched_load.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class Events : public WatchedLoad {};

TEST_F(Events, ShortLivedProcessesAreAllThereWhole) {
  START_OR_SKIP();
  const std::string count = size_from("DE_EVENTS_COUNT", "1500");
  const Truth truth = run_load(truth_path(), {"storm", "--count", count, "--rate", size_from("DE_EVENTS_RATE", "500")});
  ASSERT_EQ(std::to_string(truth.processes.size()), count);
  std::cout << truth.summary;
  const Seen seen = wait_for(truth);
  for (const auto& [id, one] : truth.processes) {
    ASSERT_EQ(seen.execs.count(one.nonce), 1U) << one.nonce;
    const Row& exec = seen.execs.find(one.nonce)->second;
    EXPECT_EQ(exec.at("executable_path"), one.exe);
    EXPECT_TRUE(exec.at("command_line").starts_with(one.exe + " " + one.nonce + " ")) << exec.at("command_line");
    EXPECT_EQ(exec.at("on_disk_state"), "match");
    ASSERT_NO_FATAL_FAILURE(compare(one, exec, seen));
  }
  expect_balanced_books();
  const HealthReport health = read_health(host);
  EXPECT_EQ(health.number("store", "gaps"), 0U) << health.text;
  EXPECT_TRUE(host.is_steady()) << "nothing is missing: the answer is complete";
}

TEST_F(Events, TheChainOfCreatorsIsTheTrueOneAlsoAfterARestart) {
  START_OR_SKIP();
  const Truth truth = run_load(truth_path(), {"trees", "--count", size_from("DE_EVENTS_TREES", "60"), "--seed", "7"});
  for (int agents = 0; agents < 2; ++agents) {
    const Seen seen = wait_for(truth);
    std::multimap<std::string, const Row*> starts;  // By pid.
    for (const auto& [uid, start] : seen.starts) starts.emplace(start.at("pid"), &start);
    std::size_t compared = 0;
    for (const auto& [id, one] : truth.processes) {
      std::string expected;
      for (const std::uint64_t creator : one.chain)
        expected += "," + std::to_string(creator == 0 ? truth.generator_pid : truth.processes.at(creator).pid);
      // Also those that executed nothing.
      const auto of_pid = starts.equal_range(std::to_string(one.pid));
      const std::size_t before = compared;
      for (auto it = of_pid.first; it != of_pid.second; ++it) {
        const Row& start = *it->second;
        if (!is_start_of(one, start)) continue;
        std::string found;
        const std::string& json = start.at("ancestry");
        for (std::size_t at = json.find("\"pid\":"); at != json.npos; at = json.find("\"pid\":", at + 1))
          found += "," + json.substr(at + 6, json.find(',', at) - at - 6);
        EXPECT_TRUE((found + ",").starts_with(expected + ",")) << found << " instead of " << expected;
        EXPECT_TRUE(found.ends_with(",1")) << found;
        ++compared;
      }
      EXPECT_EQ(compared, before + 1) << "id " << id << ", pid " << one.pid << ": no start, or several";
    }
    EXPECT_EQ(compared, truth.processes.size());
    host.agent.signal(SIGKILL);
    ASSERT_EQ(host.agent.wait(10s), 128 + SIGKILL);
    start_agent();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host); }, 60s)) << logs_of(host);
  }
}

// The first exec of a file is told before the file was read; later ones carry its hash, however short they live.
TEST_F(Events, AnExecCarriesTheHashOfItsFile) {
  START_OR_SKIP();
  const std::string path = host.demo_dir() + "/hashed";
  std::filesystem::copy_file("/bin/true", path);
  const std::string sum = run({"/usr/bin/sha256sum", path}).out.substr(0, 64);
  std::vector<Row> rows;
  EXPECT_TRUE(eventually([&] {
    (void)run({path});
    rows = query_rows(host, "SELECT executable_hash FROM processes.events WHERE executable_hash = '" + sum + "'");
    return !rows.empty();
  })) << logs_of(host);
}

// procmond stands still while more happens than the kernel can hold for it.
TEST_F(Events, WhatTheKernelHadNoRoomForIsKnownExactly) {
  START_OR_SKIP({"--set", "events.buffer_mb=1"});
  host.procmond.signal(SIGSTOP);
  const Truth truth = run_load(truth_path(), {"storm", "--count", "3000"});
  host.procmond.signal(SIGCONT);
  ASSERT_TRUE(eventually([&] { return is_settled(3 * 3'000) && read_health(host).lost_events() != 0U; }, 60s))
      << read_health(host).text << logs_of(host);
  ASSERT_TRUE(eventually([&] { return read_health(host).counter("kernel_dropped") > 0; }));
  EXPECT_TRUE(eventually([&] {
    const HealthReport health = read_health(host);
    return health.lost_events() == health.counter("kernel_dropped");
  })) << read_health(host).text;
  std::cout << *read_health(host).lost_events() << " lost of some 9000" << std::endl;
  expect_balanced_books();
  Ran asked;
  EXPECT_TRUE(eventually([&] {
    asked = host.cli({"query", "SELECT count(*) FROM processes.events"});
    return asked.exit_code == 3 && contains(asked.err, "EventsShed");
  })) << asked.exit_code
      << asked.err;
  EXPECT_TRUE(contains(host.cli({"audit", "tail"}).out, "events.lost"));
  // What was missed is found out by the next scan, and what happens from now on is seen whole.
  const Truth after = run_load(truth_path(), {"storm", "--count", "200", "--rate", "200"});
  const Seen seen = wait_for(after);
  for (const auto& [id, one] : after.processes) EXPECT_EQ(seen.execs.count(one.nonce), 1U);
}

// Without BPF the kernel still says that something happened; what it was is read from /proc, when it is still there.
TEST_F(Events, TheConnectorSeesEveryForkAndExit) {
  start_agent();
  host.start_procmond({"--set", "events.backend=connector"});
  if (!eventually([&] { return is_running_steadily(host) && host.is_steady(); }, 10s)) {
    if (!test::bpf_must_work() && contains(host.log("procmond"), "events.backend is connector"))
      GTEST_SKIP() << host.log("procmond");
    FAIL() << logs_of(host);
  }
  ASSERT_TRUE(eventually([&] {
    return contains(read_health(host).detail("collector.procmond.events"), "connector, not better because");
  })) << read_health(host).text;
  const Truth truth = run_load(truth_path(), {"storm", "--count", "300", "--rate", "200"});
  std::set<std::string> unseen;  // By pid and code.
  EXPECT_TRUE(eventually(
      [&] {
        unseen.clear();
        for (const auto& [id, one] : truth.processes)
          unseen.insert(std::to_string(one.pid) + " " + std::to_string(WEXITSTATUS(one.status)));
        for (const Row& row : query_rows(host, "SELECT pid, exit_code FROM processes.events WHERE event_type = 'exit'"))
          unseen.erase(row.at("pid") + " " + row.at("exit_code"));
        return unseen.empty();
      },
      60s))
      << testing::PrintToString(unseen) << read_health(host).text << logs_of(host);
  EXPECT_TRUE(eventually([&] {
    const HealthReport health = read_health(host);
    return health.status("collector.procmond.books.kernel") == "ok" &&
           health.status("collector.procmond.books.model") == "ok";
  })) << read_health(host).text;
}

#ifdef DE_FAULTS
// For the daemons that are started while it is there.
class Fault {
 public:
  explicit Fault(const char* fault) { ::setenv("DE_FAULT", fault, 1); }
  ~Fault() { ::unsetenv("DE_FAULT"); }
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
};

TEST_F(Events, TheNextSourceTakesOverWhenOneIsGone) {
  {
    const Fault fault("feed-gone:40");
    start_agent();
    host.start_procmond();
  }
  const auto source = [&] { return read_health(host).detail("collector.procmond.events"); };
  ASSERT_TRUE(eventually([&] { return is_running_steadily(host) && !source().empty(); })) << logs_of(host);
  // On a busy machine those events have come and gone already.
  const bool had_bpf = source() == "bpf" || contains(source(), "taken away on purpose");
  ASSERT_TRUE(had_bpf || !test::bpf_must_work()) << source();
  if (!had_bpf) GTEST_SKIP() << "processes are seen by " << source();
  ASSERT_TRUE(eventually([&] {
    (void)run({"/bin/true"});
    return source().starts_with("connector, not better because bpf: taken away on purpose") ||
           source().starts_with("polling, not better because bpf: taken away on purpose");
  })) << source()
      << logs_of(host);
  EXPECT_TRUE(contains(host.cli({"audit", "tail"}).out, "backend.degraded"));
  EXPECT_TRUE(host.procmond.is_running());
  ASSERT_TRUE(source().starts_with("connector") || !test::bpf_must_work()) << source();
  if (source().starts_with("polling")) GTEST_SKIP() << source();
  const pid_t child = host.run_from_tmp("later");
  EXPECT_TRUE(eventually([&] {
    return !query_rows(host,
                       "SELECT 1 FROM processes.events WHERE event_type = 'start' AND source = 'connector' AND pid = " +
                           std::to_string(child))
                .empty();
  })) << logs_of(host);
}

TEST_F(Events, OneEventLostBehindTheKernelIsMissedExactly) {
  {
    const Fault fault("feed:100");
    START_OR_SKIP();
  }
  for (int i = 0; i < 60; ++i) (void)run({"/bin/true"});
  std::string book;
  EXPECT_TRUE(eventually([&] {
    const HealthReport health = read_health(host);
    book = health.detail("collector.procmond.books.model");
    const auto delivered = health.number("collector.procmond.books.model", "=");
    const auto events = health.number("collector.procmond.books.model", "+");
    return health.status("collector.procmond.books.model") == "failed" && delivered && events &&
           *delivered == *events + 1;
  })) << book
      << logs_of(host);
  EXPECT_EQ(read_health(host).status("collector.procmond.books.kernel"), "ok");
}
#endif

TEST_F(Events, PollingIsWhatIsLeftAndSaysSo) {
  start_agent();
  host.start_procmond({"--set", "events.backend=polling"});
  ASSERT_TRUE(eventually([&] { return is_running_steadily(host) && host.is_steady(); })) << logs_of(host);
  EXPECT_TRUE(eventually([&] {
    const HealthReport health = read_health(host);
    return health.status("collector.procmond.events") == "degraded" &&
           contains(health.detail("collector.procmond.events"), "polling, not better because events.backend says so") &&
           health.detail("collector.procmond.snapshots") == "proc, not better because events.backend says so";
  })) << read_health(host).text;
}

}  // namespace
}  // namespace de::system_test
