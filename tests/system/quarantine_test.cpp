// Damaged files of the store: found, named, set aside, and the rest goes on.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>

#include "health_report.h"
#include "spool_state.h"

namespace de::system_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::size_t kPageBytes = 4096;

std::string day_name(int days_ago) {
  const std::time_t when = std::time(nullptr) - days_ago * 86'400;
  char text[16] = {};
  std::tm parts{};
  (void)std::strftime(text, sizeof text, "%Y-%m-%d", ::gmtime_r(&when, &parts));
  return text;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_at(const std::string& path, std::size_t at, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(at));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

class Quarantine : public testing::Test {
 protected:
  void SetUp() override {
    host.write_rule("demo.yaml", rule_for_demos(host));
    ASSERT_NO_FATAL_FAILURE(start());
    host.run_from_tmp("early");
    ASSERT_TRUE(eventually([&] { return alerted_names(host).size() == 1 && events() > 0; })) << logs_of(host);
  }
  void start() {
    host.start_agent();
    host.start_procmond();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host) && has_snapshot(); })) << logs_of(host);
  }
  void stop() {
    for (Background* daemon : {&host.procmond, &host.agent}) {
      daemon->signal(SIGTERM);
      ASSERT_EQ(daemon->wait(20s), 0) << logs_of(host);
    }
  }
  // Everything collected so far becomes another day's.
  void make_past() {
    ASSERT_NO_FATAL_FAILURE(stop());
    fs::rename(store(day_name(0)), store(day_name(1)));
    ASSERT_NO_FATAL_FAILURE(start());
  }
  bool has_snapshot() {
    const int code = host.cli({"query", "SELECT count(*) FROM processes HAVING count(*) > 0"}).exit_code;
    return code == 0 || code == 3;
  }
  std::uint64_t events() { return read_health(host).number("store", "events").value_or(0); }
  std::string store(const std::string& name) const { return host.dir() + "/store/" + name; }
  std::string data(const std::string& day) const { return store(day) + "/data.mdb"; }

  // The checksum of the value that says which events this day has is wrong afterwards.
  void damage_mark(const std::string& day) {
    const auto spool = read_spool_state(host.dir());
    ASSERT_TRUE(spool);
    const std::string file = read_file(data(day));
    const std::string key = std::string("procmond") + '\0' + spool->spool_id;
    int found = 0;
    for (std::size_t at = file.find(key); at != file.npos; at = file.find(key, at + 1), ++found)
      write_at(data(day), at + key.size() + 3, std::string(1, static_cast<char>(file[at + key.size() + 3] ^ 0x55)));
    ASSERT_GT(found, 0);
  }

  void expect_quarantined(const std::string& day, const std::string& damaged_file) {
    const HealthReport health = read_health(host);
    EXPECT_EQ(health.status("store.day." + day), "failed") << health.text << logs_of(host);
    EXPECT_TRUE(contains(health.detail("store.day." + day), "quarantined")) << health.text;
    EXPECT_EQ(health.exit_code, 1);
    EXPECT_TRUE(contains(host.log("agent"), "quarantined") && contains(host.log("agent"), day)) << host.log("agent");
    EXPECT_EQ(read_file(store(day + ".quarantined") + "/data.mdb"), damaged_file) << "kept as it was found";
    EXPECT_TRUE(fs::exists(store(day + ".quarantined") + "/reason"));
    EXPECT_FALSE(fs::exists(store(day)) && day != day_name(0));
  }

  void expect_the_rest_works() {
    const auto names = alerted_names(host);
    EXPECT_EQ(std::count(names.begin(), names.end(), "early"), 1) << "alerts have no day";
    const std::uint64_t before = events();
    host.run_from_tmp("later");
    EXPECT_TRUE(eventually([&] { return alerted_names(host).size() == 2; })) << read_health(host).text << logs_of(host);
    EXPECT_TRUE(eventually([&] { return events() > before; })) << read_health(host).text << logs_of(host);
    EXPECT_EQ(host.cli({"audit", "verify"}).exit_code, 0);
  }

  Host host;
};

TEST_F(Quarantine, APastDayWithDamagedPages) {
  ASSERT_NO_FATAL_FAILURE(make_past());
  ASSERT_NO_FATAL_FAILURE(stop());
  write_at(data(day_name(1)), 0, std::string(2 * kPageBytes, '\xa5'));
  const std::string damaged = read_file(data(day_name(1)));
  ASSERT_NO_FATAL_FAILURE(start());
  expect_quarantined(day_name(1), damaged);
  expect_the_rest_works();
  // It stays named after another start.
  ASSERT_NO_FATAL_FAILURE(stop());
  ASSERT_NO_FATAL_FAILURE(start());
  expect_quarantined(day_name(1), damaged);
}

TEST_F(Quarantine, APastDayWithADamagedValue) {
  ASSERT_NO_FATAL_FAILURE(make_past());
  ASSERT_NO_FATAL_FAILURE(stop());
  ASSERT_NO_FATAL_FAILURE(damage_mark(day_name(1)));
  const std::string damaged = read_file(data(day_name(1)));
  ASSERT_NO_FATAL_FAILURE(start());
  expect_quarantined(day_name(1), damaged);
  expect_the_rest_works();
}

TEST_F(Quarantine, TodayWithADamagedValue) {
  ASSERT_NO_FATAL_FAILURE(stop());
  ASSERT_NO_FATAL_FAILURE(damage_mark(day_name(0)));
  const std::string damaged = read_file(data(day_name(0)));
  ASSERT_NO_FATAL_FAILURE(start());
  expect_quarantined(day_name(0), damaged);
  EXPECT_TRUE(fs::exists(store(day_name(0)))) << "a fresh one goes on";
  expect_the_rest_works();
}

TEST_F(Quarantine, WhicheverPageOfTodayIsDamagedTheAgentLives) {
  ASSERT_NO_FATAL_FAILURE(stop());
  const std::string whole = read_file(data(day_name(0)));
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  std::mt19937 random(seed);
  for (int round = 0; round < 10; ++round) {
    fs::remove_all(store(day_name(0) + ".quarantined"));
    const std::size_t page = random() % (whole.size() / kPageBytes);
    SCOPED_TRACE("page " + std::to_string(page));
    write_at(data(day_name(0)), 0, whole);
    fs::resize_file(data(day_name(0)), whole.size());
    std::string garbage(kPageBytes, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    write_at(data(day_name(0)), page * kPageBytes, garbage);
    ASSERT_NO_FATAL_FAILURE(start());
    const std::uint64_t before = read_health(host).number("ingest.scans", "committed").value_or(0);
    EXPECT_TRUE(eventually([&] {
      return read_health(host).number("ingest.scans", "committed").value_or(0) > before + 1;
    })) << read_health(host).text
        << logs_of(host);
    EXPECT_TRUE(host.agent.is_running()) << logs_of(host);
    ASSERT_NO_FATAL_FAILURE(stop());
  }
}

TEST_F(Quarantine, WithoutItsStateTheAgentRefusesAndSaysWhere) {
  ASSERT_NO_FATAL_FAILURE(stop());
  write_at(data("state"), 0, std::string(2 * kPageBytes, '\xa5'));
  const Ran refused = run({program("daemoneye-agent"), "--state-dir", host.dir()});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(count_lines(refused.err, ""), 1U) << refused.err;
  EXPECT_TRUE(contains(refused.err, host.dir() + "/store/state")) << refused.err;
}

}  // namespace
}  // namespace de::system_test
