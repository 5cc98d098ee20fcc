#include "watched_load.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>

#include "kernel_support.h"
#include "spool_state.h"

namespace de::system_test {

using namespace std::chrono_literals;

std::string size_from(const char* variable, const char* otherwise) {
  const char* wanted = std::getenv(variable);
  return wanted != nullptr ? wanted : otherwise;
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* wanted = std::getenv(variable);
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : otherwise;
}

void WatchedLoad::start(std::vector<std::string> procmond_flags) {
  start_agent();
  host.start_procmond(std::move(procmond_flags));
  ASSERT_TRUE(eventually([&] { return is_running_steadily(host) && host.is_steady(); })) << logs_of(host);
  ASSERT_TRUE(eventually([&] { return !read_health(host).detail("collector.procmond.events").empty(); }));
  const std::string source = read_health(host).detail("collector.procmond.events");
  ASSERT_TRUE(source == "bpf" || !test::bpf_must_work()) << source;
  if (source != "bpf") GTEST_SKIP() << "processes are seen by " << source;
  EXPECT_EQ(read_health(host).detail("collector.procmond.snapshots"), "bpf");
}

void WatchedLoad::start_agent(std::vector<std::string> more) {
  std::vector<std::string> flags = {"--set", "collectors=[{id: procmond, heartbeat_interval_secs: 1}]",
                                    "--set", "query.max_rows=1000000",
                                    "--set", "query.timeout_ms=60000",
                                    "--set", "query.memory_mb=512"};
  flags.insert(flags.end(), more.begin(), more.end());
  host.start_agent(std::move(flags));
}

void WatchedLoad::kill_agent() {
  host.agent.signal(SIGKILL);
  ASSERT_EQ(host.agent.wait(10s), 128 + SIGKILL);
}

bool WatchedLoad::is_settled(std::uint64_t at_least) {
  const auto spool = read_spool_state(host.dir());
  const HealthReport health = read_health(host);
  return spool && is_exact(health) && health.counter("acknowledged") >= std::max(spool->last_sequence, at_least);
}

Seen WatchedLoad::wait_for(const Truth& truth) {
  Seen seen;
  EXPECT_TRUE(eventually(
      [&] {
        seen = read_seen(host);
        for (const auto& [id, one] : truth.processes) {
          if (one.nonce.empty()) continue;
          const auto exec = seen.execs.find(one.nonce);
          if (exec == seen.execs.end()) return false;
          const std::string& uid = exec->second.at("process_uid");
          if (!seen.starts.contains(uid) || !seen.exits.contains(uid)) return false;
        }
        return true;
      },
      60s + std::chrono::seconds(truth.processes.size() / 200)))
      << read_health(host).text << logs_of(host);
  return seen;
}

void WatchedLoad::expect_balanced_books() {
  std::set<std::string> books;
  EXPECT_TRUE(eventually([&] {
    books.clear();
    const HealthReport health = read_health(host);
    for (const char* book : {"books.kernel", "books.forks", "books.model"})
      if (health.status("collector.procmond." + std::string(book)) == "ok") books.insert(book);
    return books.size() == 3 && health.status("ingest.events") == "ok";
  })) << read_health(host).text;
  // About the whole machine, and not only about what this test does: for people to read.
  std::cout << "clones: " << read_health(host).detail("collector.procmond.books.clones") << std::endl;
}

bool is_start_of(const TrueProcess& truth, const Row& start) {
  const std::uint64_t ns = std::strtoull(start.at("boot_time_ns").c_str(), nullptr, 10);
  if (ns != 0) return ns >= truth.forked_after_ns && ns <= truth.forked_before_ns;
  constexpr std::uint64_t kTickMs = 10;
  const std::uint64_t ms = std::strtoull(start.at("started_ms").c_str(), nullptr, 10);
  return ms + 2 * kTickMs >= truth.forked_after_ns / 1'000'000 && ms <= truth.forked_before_ns / 1'000'000 + kTickMs;
}

void compare(const TrueProcess& truth, const Row& exec, const Seen& seen) {
  const auto at = [](const Row& row, const char* column) { return row.at(column); };
  EXPECT_EQ(at(exec, "pid"), std::to_string(truth.pid)) << truth.nonce;
  EXPECT_EQ(at(exec, "uid"), std::to_string(truth.uid)) << truth.nonce;
  const std::string& uid = exec.at("process_uid");
  ASSERT_EQ(seen.starts.count(uid), 1U) << truth.nonce;
  const Row& start = seen.starts.find(uid)->second;
  EXPECT_EQ(at(start, "ppid"), std::to_string(truth.ppid)) << truth.nonce;
  EXPECT_TRUE(is_start_of(truth, start)) << truth.nonce << testing::PrintToString(start);
  ASSERT_EQ(seen.exits.count(uid), 1U) << truth.nonce;
  const Row& exit = seen.exits.find(uid)->second;
  if (WIFSIGNALED(truth.status)) {
    EXPECT_EQ(at(exit, "exit_signal"), std::to_string(WTERMSIG(truth.status))) << truth.nonce;
  } else {
    EXPECT_EQ(at(exit, "exit_code"), std::to_string(WEXITSTATUS(truth.status))) << truth.nonce;
  }
}

}  // namespace de::system_test
