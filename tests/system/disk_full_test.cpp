// Somebody else fills the disk: nothing is deleted, everybody is told, and it goes on when there is room.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>

#include "health_report.h"
#include "small_disk.h"
#include "spool_state.h"

namespace de::system_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr uid_t kProcmondUid = 64123;  // Of a private instance that root starts.
constexpr uid_t kAgentUid = 64124;

class DiskFull : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: mounts a small file system";
  }

  void start() {
    ASSERT_TRUE(disk->ready()) << "a tmpfs cannot be mounted here";
    host.write_rule("demo.yaml", rule_for_demos(host));
    host.start_agent({"--set", "collectors=[{id: procmond, heartbeat_interval_secs: 1}]"});
    host.start_procmond();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host) && host.is_steady(); })) << logs_of(host);
  }
  std::set<std::string> files() {
    std::set<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(host.dir())) out.insert(entry.path().string());
    return out;
  }
  bool has_alert(const std::string& name) {
    const auto names = alerted_names(host);
    return std::ranges::find(names, name) != names.end();
  }
  std::uint64_t number(const std::string& component, const std::string& word) {
    return read_health(host).number(component, word).value_or(0);
  }
  std::uint64_t counter(const std::string& name) { return read_health(host).counter(name); }
  // Short processes, as quickly as a shell can start them.
  Background forks() { return Background({"/bin/sh", "-c", "while :; do /bin/sleep 0.1; done"}, "/dev/null"); }

  Host host;
  std::unique_ptr<SmallDisk> disk;
};

TEST_F(DiskFull, OfTheStore) {
  disk = std::make_unique<SmallDisk>(host.dir() + "/store", kAgentUid, 12);
  // More processes than fit in one message: a snapshot that fails in the middle.
  std::vector<Background> crowd;
  for (int i = 0; i < 300; ++i) crowd.emplace_back(std::vector<std::string>{"/bin/sleep", "600"}, "/dev/null");
  ASSERT_NO_FATAL_FAILURE(start());
  host.run_from_tmp("before");
  ASSERT_TRUE(eventually([&] { return has_alert("before"); })) << logs_of(host);
  const std::set<std::string> files_before = files();
  const pid_t procmond = host.procmond.pid();

  const Background load = forks();
  disk->fill();
  // Said by an alert that the reserve has room for, in the log, by health and with every answer.
  ASSERT_TRUE(eventually([&] {
    return contains(host.cli({"alerts", "list", "--rule", "daemoneye.resource-limit"}).out, "no room");
  })) << host.cli({"alerts", "list"}).out
      << read_health(host).text << logs_of(host);
  EXPECT_TRUE(contains(host.log("agent"), "no room left on the disk")) << host.log("agent");
  Ran asked;
  EXPECT_TRUE(eventually([&] {
    disk->fill();
    asked = host.cli({"query", "SELECT count(*) FROM processes"});
    return asked.exit_code == 3 && contains(asked.err, "ResourceLimit") && contains(asked.err, "no room") &&
           contains(read_health(host).text, "no room left on the disk");
  })) << asked.err
      << logs_of(host);

  // It stays so, whatever was given up for the alert; both live, procmond collects what cannot be stored.
  const std::uint64_t stored = number("store", "events"), spooled = counter("spool_appended");
  host.run_from_tmp("while-full");
  ASSERT_TRUE(eventually([&] {
    disk->fill();
    return counter("spool_appended") > spooled + 30;
  })) << read_health(host).text
      << logs_of(host);
  EXPECT_EQ(host.procmond.pid(), procmond);
  EXPECT_TRUE(host.procmond.is_running());
  EXPECT_TRUE(host.agent.is_running());
  for (const std::string& file : files_before)
    EXPECT_TRUE(fs::exists(file) || contains(file, "reserve") || contains(file, "/spool/")) << file << " was deleted";
  EXPECT_FALSE(contains(read_health(host).text, "quarantined"));
  EXPECT_TRUE(has_alert("before")) << "what was stored can be read";
  EXPECT_EQ(host.cli({"audit", "verify"}).exit_code, 0);
  EXPECT_EQ(count_lines(host.log("procmond"), "violation") + count_lines(host.log("agent"), "out of order"), 0U)
      << "a full disk is nobody's fault" << logs_of(host);
  // A trouble that lasts is not a line for every attempt.
  EXPECT_LT(count_lines(host.log("agent"), ""), 60U) << host.log("agent") << host.log("procmond");

  disk->make_room();
  ASSERT_TRUE(eventually([&] { return host.is_steady(); })) << read_health(host).text << logs_of(host);
  EXPECT_TRUE(eventually([&] { return has_alert("while-full"); })) << read_health(host).text << logs_of(host);
  EXPECT_TRUE(eventually([&] {
    const auto now = read_spool_state(host.dir());
    const HealthReport health = read_health(host);
    return now && is_exact(health) && health.counter("acknowledged") >= now->last_sequence &&
           health.number("store", "gaps") == 0U;
  })) << read_health(host).text
      << logs_of(host);
  EXPECT_GT(number("store", "events"), stored);
  EXPECT_EQ(read_health(host).status("ingest.events"), "ok") << "what came twice is in the books twice";
}

TEST_F(DiskFull, OfTheStoreBeforeItsDayBegan) {
  disk = std::make_unique<SmallDisk>(host.dir() + "/store", kAgentUid, 12);
  ASSERT_TRUE(disk->ready()) << "a tmpfs cannot be mounted here";
  host.start_agent();
  ASSERT_TRUE(eventually([&] { return read_health(host).detail("agent") == "Loading"; })) << logs_of(host);
  disk->fill();
  std::vector<Background> crowd;
  for (int i = 0; i < 300; ++i) crowd.emplace_back(std::vector<std::string>{"/bin/sleep", "600"}, "/dev/null");
  host.start_procmond();
  ASSERT_TRUE(eventually([&] { return contains(read_health(host).text, "no room left on the disk"); }))
      << read_health(host).text << logs_of(host);
  disk->make_room();
  EXPECT_TRUE(eventually([&] { return host.is_steady(); })) << read_health(host).text << logs_of(host);
  EXPECT_FALSE(contains(read_health(host).detail("collector.procmond"), "violation"))
      << read_health(host).text << logs_of(host);
  EXPECT_LT(count_lines(host.log("agent"), ""), 60U) << host.log("agent");
}

TEST_F(DiskFull, AtTheStartOfTheAgent) {
  disk = std::make_unique<SmallDisk>(host.dir() + "/store", kAgentUid, 12);
  ASSERT_TRUE(disk->ready()) << "a tmpfs cannot be mounted here";
  disk->fill();
  const Ran refused = run({program("daemoneye-agent"), "--state-dir", host.dir()});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(count_lines(refused.err, ""), 1U) << refused.err;
  EXPECT_TRUE(contains(refused.err, "no room left on the disk") || contains(refused.err, "No space left"))
      << refused.err;
  disk->make_room();
  ASSERT_NO_FATAL_FAILURE(start());
}

TEST_F(DiskFull, OfTheSpool) {
  disk = std::make_unique<SmallDisk>(host.dir() + "/spool", kProcmondUid, 4);
  ASSERT_NO_FATAL_FAILURE(start());
  disk->fill();
  const Background load = forks();
  ASSERT_TRUE(eventually([&] { return contains(read_health(host).detail("collector.procmond"), "No space left"); }))
      << read_health(host).text << logs_of(host);
  EXPECT_EQ(read_health(host).status("collector.procmond"), "degraded");
  EXPECT_TRUE(contains(host.log("procmond"), "events could not be spooled")) << host.log("procmond");
  // Snapshots do not go through the spool: rules still work.
  host.run_from_tmp("while-full");
  EXPECT_TRUE(eventually([&] { return has_alert("while-full"); })) << logs_of(host);
  Ran asked;
  EXPECT_TRUE(eventually([&] {
    asked = host.cli({"query", "SELECT count(*) FROM processes"});
    return asked.exit_code == 3 && contains(asked.err, "EventsShed");
  })) << asked.exit_code
      << asked.err << logs_of(host);

  disk->make_room();
  ASSERT_TRUE(eventually([&] { return read_health(host).status("collector.procmond") == "ok"; }))
      << read_health(host).text << logs_of(host);
  // Every number is an event in the store or one that is known to be lost.
  std::string books;
  EXPECT_TRUE(eventually([&] {
    const auto spool = read_spool_state(host.dir());
    const HealthReport health = read_health(host);
    books = health.detail("store") + "; " + health.detail("ingest.events");
    return spool && is_exact(health) && health.lost_events() != 0U &&
           health.counter("acknowledged") >= spool->last_sequence;
  })) << books
      << read_health(host).text << logs_of(host);
  std::cout << books << std::endl;
  EXPECT_EQ(count_lines(host.log("procmond"), "events could not be spooled"), 1U) << host.log("procmond");
  EXPECT_EQ(count_lines(host.log("procmond"), "events are spooled again"), 1U) << host.log("procmond");
}

}  // namespace
}  // namespace de::system_test
