#include "service/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace de::service {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

Plan plan_for(Action action) {
  Request request;
  request.action = action;
  return make_plan(request);
}

TEST(Plan, NamesEveryProgramByItsFullPath) {
  for (const Action action :
       {Action::Install, Action::Uninstall, Action::Start, Action::Stop, Action::Status, Action::Logs}) {
    const Plan plan = plan_for(action);
    ASSERT_FALSE(plan.steps.empty()) << to_text(action);
    for (const Step& step : plan.steps) EXPECT_TRUE(step.front().starts_with('/')) << step.front();
  }
}

TEST(Plan, CreatesTheAccountsBeforeItStartsAnything) {
  const Plan plan = plan_for(Action::Install);
  EXPECT_THAT(plan.steps.front(), ElementsAre("/bin/systemd-sysusers", "daemoneye.conf"));
  EXPECT_THAT(plan.steps.back(),
              ElementsAre("/bin/systemctl", "enable", "--now", "procmond.service", "daemoneye-agent.service"));
}

TEST(Plan, ShowsAsManyLinesAsAreAskedFor) {
  Request request;
  request.action = Action::Logs;
  request.lines = 7;
  EXPECT_THAT(make_plan(request).steps.front(), Contains("--lines=7"));
  EXPECT_THAT(make_plan(request).steps.front(), ::testing::Not(Contains("--follow")));
  request.follow = true;
  EXPECT_THAT(make_plan(request).steps.front(), IsSupersetOf({"--follow", "procmond.service"}));
}

TEST(Status, IsReadFromWhatSystemctlPrints) {
  const auto states = parse_status(
      "Id=procmond.service\nActiveState=active\nUnitFileState=enabled\nMainPID=96\nNRestarts=2\n"
      "StatusText=events by bpf; no agent = x\n\nId=daemoneye-agent.service\nActiveState=failed\nMainPID=0\n");
  ASSERT_TRUE(states) << states.error().message();
  ASSERT_EQ(states->size(), 2U);
  const State& procmond = states->front();
  EXPECT_EQ(procmond.unit, "procmond.service");
  EXPECT_EQ(procmond.active, "active");
  EXPECT_EQ(procmond.enabled, "enabled");
  EXPECT_EQ(procmond.pid, 96U);
  EXPECT_EQ(procmond.restarts, 2U);
  EXPECT_EQ(procmond.status, "events by bpf; no agent = x");
  EXPECT_EQ(states->back().active, "failed");
  EXPECT_EQ(states->back().enabled, "");
}

TEST(Status, RefusesWhatIsNone) {
  EXPECT_EQ(parse_status("nonsense\n").error().code(), Errc::Corrupt);
  EXPECT_TRUE(parse_status("")->empty());
}

}  // namespace
}  // namespace de::service
