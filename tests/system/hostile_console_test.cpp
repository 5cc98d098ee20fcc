// Whoever may ask the agent may not therefore disturb it: every act of hostile_acts.cpp on the control socket, with a
// good console beside it. What it costs exactly, bench/hostile_peers measures; here it is about ten times of what is
// promised. DE_HOSTILE_MS makes each act longer.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "health_report.h"
#include "hostile_bounds.h"
#include "hostile_stage.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class HostileConsole : public testing::Test {
 protected:
  void SetUp() override {
    stage.start();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(stage.host); })) << logs_of(stage.host);
    undisturbed = stage.ask_undisturbed(100);
    ASSERT_EQ(undisturbed.failures, 0U) << undisturbed.failure;
    connected_before = read_health(stage.host).detail("collector.procmond");
  }
  // The agent has its collector, and what procmond sends it is stored.
  void expect_at_work() {
    ASSERT_TRUE(stage.host.agent.is_running()) << logs_of(stage.host);
    EXPECT_TRUE(eventually([&] { return is_running_steadily(stage.host); })) << logs_of(stage.host);
    EXPECT_EQ(read_health(stage.host).detail("collector.procmond"), connected_before) << "in the same session";
    EXPECT_TRUE(eventually([&] { return stage.not_stored().empty(); })) << stage.not_stored() << logs_of(stage.host);
    EXPECT_EQ(read_health(stage.host).lost_events(), 0U);
  }
  HostileStage stage;
  Waits undisturbed;
  std::string connected_before;
};

TEST_F(HostileConsole, ThatIsAnotherReaderTakesNothingFromAGoodOne) {
  if (!stage.has_users()) GTEST_SKIP() << "needs root and a second user";
  for (const Act& act : console_acts()) {
    const Round round =
        stage.attack_agent(act, stage.control_socket(), stage.hostile(), act_length(), [&] { stage.start_demo(); });
    print(round);
    ASSERT_TRUE(stage.host.agent.is_running()) << act.name << logs_of(stage.host);
    EXPECT_EQ(round.good.failures, 0U) << act.name << ": " << round.good.failure;
    EXPECT_LT(round.good.at(0.99), longest_wait_ms(undisturbed)) << act.name;
    EXPECT_LT(round.growth_kb, kMostGrowthKb) << act.name;
  }
  expect_at_work();
}

// What one user takes is missing to himself: his good console may be turned away, but nobody else notices and nothing
// is left of it.
TEST_F(HostileConsole, OfTheSameUserLeavesNothingBehind) {
  for (const Act& act : console_acts()) {
    const Round round =
        stage.attack_agent(act, stage.control_socket(), stage.good(), act_length(), [&] { stage.start_demo(); });
    print(round);
    ASSERT_TRUE(stage.host.agent.is_running()) << act.name << logs_of(stage.host);
    EXPECT_LT(round.growth_kb, kMostGrowthKb) << act.name;
  }
  // Those that say nothing are let go of after 5 s; questions that take long, after their time.
  EXPECT_TRUE(eventually([&] { return stage.ask_undisturbed(10).failures == 0; }));
  expect_at_work();
}

}  // namespace
}  // namespace de::system_test
