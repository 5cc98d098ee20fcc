// Under pressure details are left out in their order and it is said; that something happened is told of every process.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "health_report.h"
#include "kernel_support.h"
#include "truth.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class UnderPressure : public testing::Test {
 protected:
  void start(std::vector<std::string> procmond_flags) {
    host.start_agent({"--set", "collectors=[{id: procmond, heartbeat_interval_secs: 1}]", "--set",
                      "query.max_rows=1000000", "--set", "query.timeout_ms=60000", "--set", "query.memory_mb=512"});
    procmond_flags.insert(procmond_flags.end(), {"--set", "collect.environment=true"});
    host.start_procmond(std::move(procmond_flags));
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host); }, 60s)) << logs_of(host);
    ASSERT_TRUE(eventually([&] { return !read_health(host).detail("collector.procmond.events").empty(); }, 60s));
    const std::string source = read_health(host).detail("collector.procmond.events");
    ASSERT_TRUE(source == "bpf" || !test::bpf_must_work()) << source;
    if (source != "bpf") GTEST_SKIP() << "processes are seen by " << source;
  }
  bool is_calm() {
    return eventually([&] { return read_health(host).status("collector.procmond.pressure") == "ok"; }, 150s);
  }
  // Without asking the agent, who may be the one that stands still.
  bool is_in_ledger(const std::string& what) const {
    for (const auto& entry : std::filesystem::directory_iterator(host.dir() + "/ledger")) {
      std::ifstream file(entry.path());
      std::stringstream text;
      text << file.rdbuf();
      if (contains(text.str(), what)) return true;
    }
    return false;
  }
  Truth storm(const char* count) { return run_load(host.dir() + "/truth.jsonl", {"storm", "--count", count}); }
  // Every fork, exec and exit of it, each once.
  void expect_all(const Truth& truth) {
    ASSERT_FALSE(truth.processes.empty());
    const TrueProcess& first = truth.processes.begin()->second;
    // Whoever asks has it among its arguments, too.
    const std::string of_it = " AND executable_path = '" + first.exe + "' AND instr(command_line, '" +
                              first.nonce.substr(0, first.nonce.rfind('-') + 1) + "') > 0";
    const std::string all = std::to_string(truth.processes.size()) + " " + std::to_string(truth.processes.size());
    const auto count = [&](const std::string& condition) {
      const std::vector<Row> rows = query_rows(
          host, "SELECT count(*) AS n, count(DISTINCT process_uid) AS d FROM processes.events WHERE " + condition);
      return rows.empty() ? "no answer" : rows.front().at("n") + " " + rows.front().at("d");
    };
    const std::string starts =
        "event_type = 'start' AND process_uid IN (SELECT process_uid FROM processes.events WHERE event_type = 'exec'" +
        of_it + ")";
    for (const std::string& condition : {"event_type = 'exec'" + of_it, "event_type = 'exit'" + of_it, starts}) {
      std::string found;
      EXPECT_TRUE(eventually(
          [&] {
            found = count(condition);
            return found == all;
          },
          60s))
          << found << " instead of " << all << ": " << condition << logs_of(host);
    }
  }
  // An exec of its own with an environment, and what is told of it.
  Row exec_with_environment(const std::string& nonce) {
    (void)run({"/usr/bin/env", "-i", "MARK=" + nonce, "DB_PASSWORD=hunter2", "/bin/true", nonce});
    std::vector<Row> rows;
    EXPECT_TRUE(eventually([&] {
      rows = query_rows(host,
                        "SELECT environment, environment_length, environment_cut, shed FROM processes.events WHERE "
                        "event_type = 'exec' AND command_line = '/bin/true " +
                            nonce + "'");
      return !rows.empty();
    })) << logs_of(host);
    return rows.empty() ? Row() : rows.front();
  }
  // Again and again: others, too, may put us under pressure.
  void expect_whole(const std::string& nonce) {
    Row row;
    int tries = 0;
    EXPECT_TRUE(eventually(
        [&] {
          const std::string name = nonce + std::to_string(tries++);
          row = exec_with_environment(name);
          return row["environment"] == R"(["MARK=)" + name + R"(","DB_PASSWORD=[REDACTED]"])" &&
                 row["environment_cut"] == "0" && row["shed"].empty();
        },
        60s))
        << row["environment"] << ", shed: " << row["shed"];
  }
  Host host;
};

TEST_F(UnderPressure, ARingThatFillsIsSaidAndPasses) {
  START_OR_SKIP({"--set", "events.buffer_mb=8"});  // Room for what others do meanwhile.
  ASSERT_TRUE(is_calm()) << read_health(host).text;
  expect_whole("before");
  host.procmond.signal(SIGSTOP);
  const Truth truth = storm("4000");
  host.procmond.signal(SIGCONT);
  ASSERT_TRUE(eventually([&] { return is_in_ledger("pressure.rose"); })) << host.log("procmond");
  // The programs in the kernel are told with the next fetch, which something has to be the reason for.
  Row row;
  std::string nonce;
  int tries = 0;
  EXPECT_TRUE(eventually(
      [&] {
        nonce = "under-pressure-" + std::to_string(tries++);
        row = exec_with_environment(nonce);
        return contains(row["shed"], "environment");
      },
      4s))
      << row["shed"];
  EXPECT_EQ(row.at("environment_cut"), "1");
  EXPECT_EQ(row.at("environment"), "");
  EXPECT_EQ(row.at("environment_length"),
            std::to_string(std::string("MARK=" + nonce + " DB_PASSWORD=hunter2 ").size()));
  HealthReport health;
  EXPECT_TRUE(eventually([&] {
    health = read_health(host);
    return health.status("collector.procmond.pressure") == "degraded";
  })) << health.text;
  EXPECT_TRUE(contains(health.detail("collector.procmond.pressure"), "of the kernel's buffer is full")) << health.text;
  EXPECT_TRUE(contains(health.detail("collector.procmond.pressure"), "environments")) << health.text;
  expect_all(truth);

  ASSERT_TRUE(is_calm()) << read_health(host).text;
  EXPECT_TRUE(contains(read_health(host).detail("collector.procmond.pressure"), "level 0: nothing left out"));
  EXPECT_GE(read_health(host).counter("environments_shed"), 1U);
  EXPECT_GE(read_health(host).counter("seconds_shedding_environments"), 1U);
  EXPECT_TRUE(is_in_ledger("pressure.fell"));
  expect_whole("afterwards");
}

TEST_F(UnderPressure, AnAgentThatTakesNothingIsPressureAndLosesNothing) {
  START_OR_SKIP({"--set", "spool.max_mb=48", "--set", "events.buffer_mb=8"});
  ASSERT_TRUE(is_calm()) << read_health(host).text;
  host.agent.signal(SIGSTOP);
  std::vector<Truth> before;
  ASSERT_TRUE(eventually(
      [&] {
        before.push_back(storm("1000"));
        return is_in_ledger("of the spool is full");
      },
      120s))
      << host.log("procmond");
  const Truth during = storm("100");
  (void)run({"/usr/bin/env", "-i", "MARK=1", "/bin/true", "while-it-stood"});
  host.agent.signal(SIGCONT);
  expect_all(during);
  expect_all(before.front());
  expect_all(before.back());
  const std::vector<Row> rows = query_rows(
      host,
      "SELECT shed FROM processes.events WHERE event_type = 'exec' AND command_line = '/bin/true while-it-stood'");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_TRUE(contains(rows.front().at("shed"), "environment")) << rows.front().at("shed");
  ASSERT_TRUE(is_calm()) << read_health(host).text;
  expect_whole("afterwards");
}

TEST_F(UnderPressure, MoreTimeThanAllowedIsPressure) {
  START_OR_SKIP({"--set", "events.max_cpu_percent=1"});
  HealthReport health;
  EXPECT_TRUE(eventually([&] {
    (void)storm("300");
    health = read_health(host);
    return contains(health.detail("collector.procmond.pressure"), "of a processor used, 1 % allowed");
  })) << health.text;
  EXPECT_GE(health.counter("pressure_level"), 1U);
  expect_all(storm("100"));
}

#ifdef DE_FAULTS
// An event is lost on purpose: the book that misses it becomes an alert, once, and goes with the procmond that lost it.
TEST_F(UnderPressure, ABookThatDoesNotBalanceIsAnAlert) {
  host.start_agent(
      {"--set", "collectors=[{id: procmond, heartbeat_interval_secs: 1}]", "--set", "scan_interval_ms=1000"});
  ::setenv("DE_FAULT", "feed:100", 1);
  host.start_procmond();
  ::unsetenv("DE_FAULT");
  ASSERT_TRUE(eventually([&] { return is_running_steadily(host); })) << logs_of(host);
  const std::string source = read_health(host).detail("collector.procmond.events");
  ASSERT_TRUE(source == "bpf" || !test::bpf_must_work()) << source;
  if (source != "bpf") GTEST_SKIP() << "processes are seen by " << source;
  for (int i = 0; i < 60; ++i) (void)run({"/bin/true"});
  const auto alerts = [&] {
    std::ifstream file(host.dir() + "/alerts.jsonl");
    std::string found;
    for (std::string line; std::getline(file, line);)
      if (contains(line, "daemoneye.books-unbalanced")) found += line + "\n";
    return found;
  };
  ASSERT_TRUE(eventually([&] { return contains(alerts(), "books.model does not balance: delivered "); }))
      << read_health(host).text << logs_of(host);
  const Ran asked = host.cli({"query", "SELECT count(*) FROM processes"});
  EXPECT_EQ(asked.exit_code, 3);
  EXPECT_TRUE(contains(asked.err, "BooksUnbalanced")) << asked.err;
  const std::uint64_t checks = read_health(host).counter("books_checked");
  ASSERT_TRUE(eventually([&] { return read_health(host).counter("books_checked") >= checks + 4; }));
  EXPECT_EQ(count_lines(alerts(), "books.model"), 1U) << alerts();
  host.procmond.signal(SIGTERM);
  ASSERT_EQ(host.procmond.wait(10s), 0);
  host.start_procmond();
  EXPECT_TRUE(eventually([&] {
    return !contains(host.cli({"query", "SELECT count(*) FROM processes"}).err, "BooksUnbalanced") &&
           is_running_steadily(host);
  })) << read_health(host).text;
}
#endif

}  // namespace
}  // namespace de::system_test
