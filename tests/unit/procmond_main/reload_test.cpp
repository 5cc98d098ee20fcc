#include <gmock/gmock.h>

#include "daemon/monitor.h"
#include "daemoneye/config/change.h"

namespace de::daemon {
namespace {

TEST(Reload, ProcmondTakesOverWhatTheTableSays) {
  EXPECT_THAT(Monitor::reloaded_keys(),
              testing::UnorderedElementsAreArray(config::live_keys(config::Program::Procmond)));
}

}  // namespace
}  // namespace de::daemon
