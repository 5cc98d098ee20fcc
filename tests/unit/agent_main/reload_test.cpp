#include <gmock/gmock.h>

#include "daemon/agent.h"
#include "daemoneye/config/change.h"

namespace de::daemon {
namespace {

TEST(Reload, TheAgentTakesOverWhatTheTableSays) {
  EXPECT_THAT(Agent::reloaded_keys(), testing::UnorderedElementsAreArray(config::live_keys(config::Program::Agent)));
}

}  // namespace
}  // namespace de::daemon
