// Whoever reaches the broker socket may not therefore disturb the agent or the collectors that are there: every act of
// hostile_acts.cpp, by a user who may collect (root) and by one who may not. What a collector may invent is another
// matter, see docs/threats.md.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "daemoneye/broker.pb.h"
#include "hostile_bounds.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class HostileCollector : public testing::Test {
 protected:
  void SetUp() override {
    stage.start();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(stage.host); })) << logs_of(stage.host);
    undisturbed = stage.ask_undisturbed(100);
    ASSERT_EQ(undisturbed.failures, 0U) << undisturbed.failure;
    connected_before = session();
  }
  // "connected since ..., pid ...", of procmond's session.
  std::string session() {
    const std::string line = read_health(stage.host).detail("collector.procmond");
    return line.substr(0, line.find(", uid"));
  }
  void attack_as(const User& user) {
    for (const Act& act : collector_acts()) {
      const Round round =
          stage.attack_agent(act, stage.broker_socket(), user, act_length(), [&] { stage.start_demo(); });
      print(round);
      ASSERT_TRUE(stage.host.agent.is_running()) << act.name << logs_of(stage.host);
      EXPECT_EQ(round.good.failures, 0U) << act.name << ": " << round.good.failure;
      EXPECT_LT(round.good.at(0.99), longest_wait_ms(undisturbed)) << act.name;
      EXPECT_LT(round.growth_kb, kMostGrowthKb) << act.name;
      EXPECT_EQ(session(), connected_before) << act.name << ": procmond stays in the same session";
    }
    EXPECT_TRUE(eventually([&] { return stage.not_stored().empty(); })) << stage.not_stored() << logs_of(stage.host);
  }
  HostileStage stage;
  Waits undisturbed;
  std::string connected_before;
};

TEST_F(HostileCollector, ThatMayCollectTakesNothingFromOthers) {
  ASSERT_NO_FATAL_FAILURE(attack_as(User{}));
  const HealthReport health = read_health(stage.host);
  EXPECT_EQ(health.number("ledger", "lost"), 0U) << "its refusals do not fill the queue";
  EXPECT_TRUE(contains(health.detail("collector.alive"), "held back")) << health.text;
  // A flood of refusals is a few entries, with the number of those that were not entered.
  const std::string ledger = stage.host.cli({"audit", "tail", "1000"}).out;
  EXPECT_TRUE(contains(ledger, "untold_before")) << ledger;
  EXPECT_LT(count_lines(ledger, "collector.refused"), 400U);
}

TEST_F(HostileCollector, ThatMayNotCollectTakesNothingFromOthers) {
  if (!stage.has_users()) GTEST_SKIP() << "needs root and a second user";
  ASSERT_NO_FATAL_FAILURE(attack_as(stage.hostile()));
  EXPECT_TRUE(contains(read_health(stage.host).text, "collectors.refused"));
}

// The text of its refusal; "welcome" when there is none.
std::string greet(const std::string& socket, const std::string& token) {
  Wire wire = Wire::dial_until(socket, deadline_in(5s));
  if (!wire.send(hello_request("procmond", token), deadline_in(5s))) return "not sent";
  const auto answer = wire.receive(deadline_in(5s));
  pb::Envelope message;
  if (!answer || !message.ParseFromString(*answer)) return "hung up";
  return message.has_refusal() ? message.refusal().reason() : "welcome";
}

// Of a collector that the agent started: what it was handed in its environment.
std::string token_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
  const std::string name = "DAEMONEYE_SPAWN_TOKEN=";
  for (std::string entry; std::getline(in, entry, '\0');)
    if (entry.starts_with(name)) return entry.substr(name.size());
  return {};
}

TEST(HostileToken, ThatWasUsedIsNoUseToAnotherProcess) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root reads the environment of procmond";
  Host host;
  const std::string config = host.demo_dir() + "/agent.yaml";
  std::ofstream(config) << "collectors:\n  - id: procmond\n    path: " << program("procmond") << "\n";
  ASSERT_EQ(::chmod(config.c_str(), 0644), 0);
  host.start_agent({"--config", config});
  ASSERT_TRUE(host.is_steady()) << logs_of(host);
  const std::string line = read_health(host).detail("collector.procmond");
  const pid_t pid = std::atoi(line.substr(line.find("pid ") + 4).c_str());
  const std::string token = token_of(pid);
  ASSERT_FALSE(token.empty());
  const std::string socket = host.dir() + "/broker.sock";
  EXPECT_TRUE(contains(greet(socket, token), "is connected already"));
  EXPECT_EQ(read_health(host).detail("collector.procmond").substr(0, line.find(", uid")),
            line.substr(0, line.find(", uid")))
      << "and stays";
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  std::string answer;
  EXPECT_TRUE(eventually([&] {
    answer = greet(socket, token);
    return contains(answer, "is not the process this agent started") || answer == "welcome";
  }));
  EXPECT_NE(answer, "welcome");
  EXPECT_TRUE(host.is_steady()) << "procmond was started again" << logs_of(host);
}

}  // namespace
}  // namespace de::system_test
