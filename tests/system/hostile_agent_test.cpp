// Somebody who has taken over the agent, or its account, sits where procmond dials: every act of
// hostile_agent_acts.cpp. procmond lives, stays small, lets go of the processor, keeps what it saw, and a good agent
// gets all of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "hostile_bounds.h"
#include "spool_state.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class HostileAgent : public testing::Test {
 protected:
  // Long enough for a few sessions, whose pauses double.
  static std::chrono::milliseconds session_time() { return kFirstScan + act_length(); }
  // Some acts have more entries written than `audit tail` shows.
  bool is_in_ledger(const std::string& text) const {
    for (const auto& entry : std::filesystem::directory_iterator(stage.host.dir() + "/ledger")) {
      std::stringstream content;
      content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      if (contains(content.str(), text)) return true;
    }
    return false;
  }
  HostileStage stage;
};

TEST_F(HostileAgent, DoesNotHarmProcmondAndAGoodOneGetsEverything) {
  std::uint64_t usual_kb = 0;
  for (const AgentAct& act : agent_acts()) {
    Round round = stage.attack_procmond(act, act_length(), [&] { stage.start_demo(); });
    if (usual_kb == 0) usual_kb = round.growth_kb;
    round.growth_kb -= std::min(round.growth_kb, usual_kb);
    print(round);
    ASSERT_TRUE(stage.host.procmond.is_running()) << act.name << logs_of(stage.host);
    EXPECT_GT(round.connections_per_s, 0) << act.name;
    EXPECT_LT(round.growth_kb, kMostGrowthKb) << act.name;
    // 100 ms doubling, shortened by up to a half: 50, 100, 200, ... at the shortest.
    const double seconds = std::chrono::duration<double>(session_time()).count();
    EXPECT_LE(round.connections_per_s * seconds, 2 + std::log2(1 + seconds * 20)) << act.name << ": it dials too often";
  }
  const auto kept = read_spool_state(stage.host.dir());
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->acked, 0U) << "nobody took anything";
  stage.start_agent();
  EXPECT_TRUE(eventually([&] { return is_running_steadily(stage.host); }, 60s)) << logs_of(stage.host);
  EXPECT_TRUE(eventually([&] { return stage.not_stored().empty(); })) << stage.not_stored() << logs_of(stage.host);
  EXPECT_TRUE(eventually([&] { return is_exact(read_health(stage.host)); })) << read_health(stage.host).text;
  EXPECT_EQ(read_health(stage.host).lost_events(), 0U);
  EXPECT_TRUE(is_in_ledger("agent.violation"));
  EXPECT_EQ(stage.host.cli({"audit", "verify"}).exit_code, 0);
}

}  // namespace
}  // namespace de::system_test
