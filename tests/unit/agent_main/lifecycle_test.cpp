#include "daemon/lifecycle.h"

#include <gtest/gtest.h>

namespace de::daemon {
namespace {

Situation connected() {
  Situation now;
  now.all_connected = true;
  return now;
}

TEST(Lifecycle, GoesFromLoadingThroughReadyToSteadyState) {
  Situation now;
  EXPECT_EQ(next_state(State::Loading, now), State::Loading);
  now = connected();
  EXPECT_EQ(next_state(State::Loading, now), State::Ready);
  now.began = true;
  EXPECT_EQ(next_state(State::Ready, now), State::SteadyState);
}

TEST(Lifecycle, ACollectorThatDoesNotComeIsAFailedStartAndNoEnd) {
  Situation now;
  now.startup_overdue = true;
  EXPECT_EQ(next_state(State::Loading, now), State::StartupFailed);
  EXPECT_EQ(next_state(State::StartupFailed, now), State::StartupFailed);
  EXPECT_EQ(next_state(State::StartupFailed, connected()), State::Ready);
}

TEST(Lifecycle, SteadyStateSurvivesALostCollector) {
  Situation now;
  now.began = true;
  EXPECT_EQ(next_state(State::SteadyState, now), State::SteadyState);
}

TEST(Lifecycle, StoppingWinsFromEverywhere) {
  Situation now = connected();
  now.stopping = true;
  for (const State state : {State::Loading, State::Ready, State::SteadyState, State::StartupFailed})
    EXPECT_EQ(next_state(state, now), State::ShuttingDown);
}

}  // namespace
}  // namespace de::daemon
