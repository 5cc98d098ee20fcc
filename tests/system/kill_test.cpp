// kill -9 at random moments, under load: nothing that was acknowledged is lost, nothing is stored twice.
//
// DE_KILL_SEED repeats a run's choices (its timing remains the system's), DE_KILLS makes it longer.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "health_report.h"
#include "spool_state.h"

namespace de::system_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kRestartPromise = 10s;

struct Demo {
  Background process;
  std::string name;
  std::set<std::string> scans;  // Collection times of the snapshots it was seen in.
};

enum class Victims { Agent, Procmond, Both };

class Kill : public testing::Test {
 protected:
  Kill() {
    const char* chosen = std::getenv("DE_KILL_SEED");
    seed = chosen != nullptr ? static_cast<unsigned>(std::strtoul(chosen, nullptr, 10)) : std::random_device{}();
    random.seed(seed);
    std::cout << "DE_KILL_SEED=" << seed << std::endl;
  }

  void SetUp() override {
    fs::copy_file("/bin/sleep", host.demo_dir() + "/brief");
    host.write_rule("demo.yaml", rule_for_demos(host));
    host.start_agent();
    host.start_procmond();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host); })) << logs_of(host);
    // Forked as fast as a shell can, most of them gone before a scan; and such that match, seen by some scans.
    load.emplace_back(std::vector<std::string>{"/bin/sh", "-c", "while :; do /bin/true; /bin/sleep 0.02; done"},
                      "/dev/null");
    load.emplace_back(std::vector<std::string>{"/bin/sh", "-c", "while :; do " + host.demo_dir() + "/brief 0.7; done"},
                      "/dev/null");
  }

  void start_demo() {
    const std::string name = "kept" + std::to_string(started++);
    fs::copy_file("/bin/sleep", host.demo_dir() + "/" + name);
    demos.push_back({Background({host.demo_dir() + "/" + name, "600"}, "/dev/null"), name, {}});
  }

  // Notes who is in the current snapshot; who was in three of them has lived long enough and ends.
  void look_at_snapshot() {
    const Ran ran = host.cli(
        {"--output", "csv", "query",
         "SELECT pid, collection_time_ms FROM processes WHERE executable_path LIKE '" + host.demo_dir() + "/%'"});
    ASSERT_TRUE(ran.exit_code == 0 || ran.exit_code == 3) << ran.exit_code << ran.err << logs_of(host);
    for (const auto& row : read_csv(ran.out)) {
      if (row.size() != 2) continue;
      for (Demo& demo : demos)
        if (std::to_string(demo.process.pid()) == row[0]) demo.scans.insert(row[1]);
    }
    std::erase_if(demos, [&](const Demo& demo) {
      if (demo.scans.size() < 3) return false;
      must_have_alert.push_back(demo.name);
      return true;
    });
  }

  void pause_at_random(int most_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution<>(0, most_ms)(random)));
  }

  void kill_one(bool agent) {
    Background& victim = agent ? host.agent : host.procmond;
    ASSERT_TRUE(victim.is_running()) << "ended by itself" << logs_of(host);
    victim.signal(SIGKILL);
    ASSERT_EQ(victim.wait(10s), 128 + SIGKILL);
    const auto before = std::chrono::steady_clock::now();
    if (agent)
      host.start_agent();
    else
      host.start_procmond();
    // Every third time the next kill does not wait for the start to be over.
    if (random() % 3 == 0) return;
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host); }, 60s)) << read_health(host).text << logs_of(host);
    const auto took = std::chrono::steady_clock::now() - before;
    EXPECT_LT(took, kRestartPromise) << (agent ? "agent" : "procmond") << logs_of(host);
    restarts.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  }

  // What only grows, however often the programs are killed.
  void check_counters() {
    const HealthReport health = read_health(host);
    for (const char* what : {"events", "scans", "records", "gaps"}) {
      const auto now = health.number("store", what);
      ASSERT_TRUE(now.has_value()) << what << "\n" << health.text;
      EXPECT_GE(*now, counters[what]) << what << " went backwards\n" << health.text;
      counters[what] = *now;
    }
    const auto open = health.number("alerts", "open");
    ASSERT_TRUE(open.has_value()) << health.text;
    EXPECT_GE(*open, counters["open"]) << health.text;
    counters["open"] = *open;
  }

  void run_kills(Victims victims) {
    const char* wanted = std::getenv("DE_KILLS");
    const int kills = wanted != nullptr ? std::atoi(wanted) : 50;
    for (int i = 0; i < kills; ++i) {
      start_demo();
      pause_at_random(900);
      const bool agent = victims == Victims::Agent || (victims == Victims::Both && random() % 2 == 0);
      ASSERT_NO_FATAL_FAILURE(kill_one(agent)) << "kill " << i;
      if (i % 4 != 3) continue;
      ASSERT_TRUE(eventually([&] { return is_running_steadily(host); }, 60s)) << logs_of(host);
      ASSERT_NO_FATAL_FAILURE(check_counters()) << "kill " << i;
      ASSERT_TRUE(eventually([&] { return has_snapshot(); })) << logs_of(host);
      ASSERT_NO_FATAL_FAILURE(look_at_snapshot()) << "kill " << i;
    }
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host); }, 60s)) << logs_of(host);
  }

  bool has_snapshot() {
    const int code = host.cli({"query", "SELECT count(*) FROM processes HAVING count(*) > 0"}).exit_code;
    return code == 0 || code == 3;
  }

  void check_alerts() {
    // Those that are left have their three scans soon, undisturbed.
    ASSERT_TRUE(eventually(
        [&] {
          look_at_snapshot();
          return demos.empty();
        },
        60s))
        << demos.size() << " processes are in no snapshot" << logs_of(host);
    std::map<std::string, int> alerts;
    ASSERT_TRUE(eventually([&] {
      alerts.clear();
      for (const std::string& name : alerted_names(host)) ++alerts[name];
      return std::ranges::all_of(must_have_alert, [&](const std::string& name) { return alerts[name] > 0; });
    })) << logs_of(host);
    EXPECT_EQ(must_have_alert.size(), static_cast<std::size_t>(started));
    for (const std::string& name : must_have_alert) EXPECT_EQ(alerts[name], 1) << name;
  }

  // What was published is in the store once: the spool's numbers without the stored gaps are the store's events.
  void check_books() {
    load.clear();
    std::string books;
    const bool balanced = eventually(
        [&] {
          const auto spool = read_spool_state(host.dir());
          const HealthReport health = read_health(host);
          if (!spool) return false;
          books = "spool gave out " + std::to_string(spool->last_sequence) + " and more, acknowledged " +
                  health.detail("collector.procmond.acknowledged") + "; " + health.detail("store");
          // A kill alone, without a power cut, takes nothing from a file: there is no reason for a gap.
          return health.number("store", "gaps") == 0U && is_exact(health) &&
                 health.counter("acknowledged") >= spool->last_sequence;
        },
        60s);
    std::cout << books << std::endl;
    EXPECT_TRUE(balanced) << books << "\n" << read_health(host).text << logs_of(host);
  }

  std::set<std::string> delivered_ids() const {
    std::ifstream sink(host.dir() + "/alerts.jsonl");
    std::set<std::string> ids;
    for (std::string line; std::getline(sink, line) && !sink.eof();) {  // The last line may be half written.
      const std::size_t at = line.find("\"id\":\"");
      EXPECT_NE(at, line.npos) << "a torn line: " << line;
      EXPECT_EQ(line.back(), '}') << "a torn line: " << line;
      if (contains(line, "daemoneye.collector-unavailable")) continue;  // That procmond was killed; not of our rule.
      EXPECT_FALSE(contains(line, "\"rule_id\":\"daemoneye.")) << "trouble that no kill explains: " << line;
      if (at != line.npos) ids.insert(line.substr(at, 44));
    }
    return ids;
  }

  void check_rest() {
    const Ran verified = host.cli({"audit", "verify"});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    const HealthReport health = read_health(host);
    EXPECT_EQ(health.status("store"), "ok") << health.text;
    EXPECT_FALSE(contains(health.text, "quarantined")) << health.text;
    // Every alert also arrived at the sink, perhaps twice: then with the same id. The load's last process may raise one
    // while we count.
    std::size_t delivered = 0, alerted = 0;
    EXPECT_TRUE(eventually([&] {
      delivered = delivered_ids().size();
      alerted = alerted_names(host).size();
      return delivered == alerted && read_health(host).number("alerts", "deliveries") == 0U;
    })) << delivered
        << " delivered, " << alerted << " stored";
    std::ranges::sort(restarts);
    if (!restarts.empty())
      std::cout << restarts.size() << " awaited restarts, median " << restarts[restarts.size() / 2] << " ms, longest "
                << restarts.back() << " ms" << std::endl;
  }

  void run_all(Victims victims) {
    ASSERT_NO_FATAL_FAILURE(run_kills(victims));
    ASSERT_NO_FATAL_FAILURE(check_alerts());
    ASSERT_NO_FATAL_FAILURE(check_books());
    check_rest();
  }

  unsigned seed = 0;
  std::mt19937 random;
  Host host;
  std::vector<Background> load;
  std::vector<Demo> demos;
  std::vector<std::string> must_have_alert;
  std::vector<std::int64_t> restarts;  // Milliseconds.
  std::map<std::string, std::uint64_t> counters;
  int started = 0;
};

TEST_F(Kill, TheAgentFiftyTimes) { run_all(Victims::Agent); }
TEST_F(Kill, ProcmondFiftyTimes) { run_all(Victims::Procmond); }
TEST_F(Kill, EitherFiftyTimes) { run_all(Victims::Both); }
TEST_F(Kill, EitherFiftyTimesAgain) { run_all(Victims::Both); }

}  // namespace
}  // namespace de::system_test
