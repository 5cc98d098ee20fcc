#include "integrity/canary.h"

#include <gtest/gtest.h>

namespace de::integrity {
namespace {

constexpr std::int64_t kTickMs = 250;

class FakeClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = 5'000'000;
};

class CanaryTest : public testing::Test {
 protected:
  // What arrives: the exec of `pid`, as it happened `age_ms` ago.
  void arrives(pid_t pid, std::int64_t age_ms = 0, pb::EventType type = pb::EVENT_TYPE_EXEC) {
    pb::EventBatch batch;
    pb::ProcessEvent& event = *batch.add_events();
    event.set_event_type(type);
    event.set_event_time_ms(clock.now_ms - age_ms);
    event.mutable_process()->set_pid(static_cast<std::uint32_t>(pid));
    canary.look_at(batch);
  }
  void pass(std::int64_t ms, const std::string& why_not = {}) {
    for (std::int64_t passed = 0; passed < ms; passed += kTickMs) {
      clock.now_ms += kTickMs;
      canary.tick(why_not);
    }
  }

  FakeClock clock;
  pid_t started = 100;
  bool can_start = true;
  bool has_ended = true;
  std::int64_t start_takes_ms = 0;
  int tries = 0;
  int looks = 0;  // Whether it has ended.
  Canary canary{{.interval_ns = 10'000'000'000},
                {.start = [this]() -> Result<pid_t> {
                   ++tries;
                   clock.now_ms += start_takes_ms;
                   if (!can_start) return fail(Errc::Closed, "the launcher has ended");
                   return ++started;
                 },
                 .has_ended =
                     [this] {
                       ++looks;
                       return has_ended;
                     }},
                clock};
};

TEST_F(CanaryTest, OneIsStartedInEachIntervalAndSeen) {
  canary.tick("");
  EXPECT_EQ(started, 101);
  arrives(101);
  pass(9'750);
  EXPECT_EQ(started, 101);
  pass(250);
  EXPECT_EQ(started, 102);
  arrives(102);
  EXPECT_EQ(canary.counts().seen, 2U);
  EXPECT_TRUE(canary.reasons().empty());
}

TEST_F(CanaryTest, TwoInARowThatNobodySeesAreToldWithinSevenSeconds) {
  canary.tick("");
  pass(3'500);
  EXPECT_EQ(started, 102) << "the second one at once";
  EXPECT_TRUE(canary.reasons().empty()) << "one may be anything";
  pass(3'500);
  ASSERT_EQ(canary.reasons().size(), 1U);
  EXPECT_EQ(canary.reasons()[0].reason(), "CanaryUnseen");
  EXPECT_EQ(canary.reasons()[0].collector(), "procmond");
  pass(20'000);
  EXPECT_EQ(canary.reasons().size(), 1U) << "until one is seen";
  const pid_t last = started;
  while (started == last) pass(kTickMs);
  arrives(started);
  EXPECT_TRUE(canary.reasons().empty());
}

TEST_F(CanaryTest, OnlyItsOwnExecIsIt) {
  canary.tick("");
  arrives(102);
  arrives(101, 0, pb::EVENT_TYPE_START);
  arrives(101, 60'000);  // Who had the pid before.
  EXPECT_EQ(canary.counts().seen, 0U);
  arrives(101);
  EXPECT_EQ(canary.counts().seen, 1U);
}

TEST_F(CanaryTest, AClockThatWasSetBackALittleDoesNotHideIt) {
  canary.tick("");
  arrives(101, 1'100);
  EXPECT_EQ(canary.counts().seen, 0U) << "who had the pid before";
  arrives(101, 900);
  EXPECT_EQ(canary.counts().seen, 1U);
}

TEST_F(CanaryTest, TimeThatTheStartTakesIsNotCountedAgainstIt) {
  start_takes_ms = 500;
  canary.tick("");
  pass(3'000);
  EXPECT_EQ(canary.counts().unseen, 0U);
  start_takes_ms = 1'500;
  pass(kTickMs);
  ASSERT_EQ(started, 102);
  arrives(102, 1'500);
  EXPECT_EQ(canary.counts().seen, 1U) << "it ran before the launcher said so";
}

TEST_F(CanaryTest, ItIsLookedAfterUntilItHasEnded) {
  has_ended = false;
  canary.tick("");
  arrives(101);
  pass(2 * kTickMs);
  EXPECT_EQ(looks, 2);
  has_ended = true;
  pass(2 * kTickMs);
  EXPECT_EQ(looks, 3) << "once more, and then nothing of it is left";
}

TEST_F(CanaryTest, WhileOlderEventsStillComeItIsWaitedFor) {
  canary.tick("");
  for (int i = 0; i < 50; ++i) {
    arrives(1, 30'000);
    pass(500);
  }
  EXPECT_EQ(canary.counts().unseen, 0U);
  arrives(101, 25'000);
  EXPECT_EQ(canary.counts().seen, 1U);
}

TEST_F(CanaryTest, ItIsNotWaitedForLongerThanAMinute) {
  canary.tick("");
  for (int i = 0; i < 140; ++i) {
    arrives(1, 90'000);
    pass(500);
  }
  EXPECT_GE(canary.counts().unseen, 1U);
}

TEST_F(CanaryTest, WhatComesAfterItSaysThatItWasPassedOver) {
  canary.tick("");
  for (int i = 0; i < 14; ++i) {
    pass(500);
    arrives(1);
  }
  EXPECT_EQ(canary.reasons().size(), 1U);
}

TEST_F(CanaryTest, AStragglerAmongNewerEventsDoesNotExcuseIt) {
  canary.tick("");
  for (int i = 0; i < 14; ++i) {
    pass(500);
    arrives(1);
    arrives(2, 30'000);
  }
  EXPECT_EQ(canary.reasons().size(), 1U);
}

// As after the clock was set back.
TEST_F(CanaryTest, WhatCameBeforeItWasStartedDoesNotSayThatItWasPassedOver) {
  canary.tick("");
  arrives(1, -60'000);
  arrives(101);
  pass(10'000);
  ASSERT_EQ(started, 102);
  for (int i = 0; i < 20; ++i) {
    arrives(1, 30'000);
    pass(500);
  }
  EXPECT_EQ(canary.counts().unseen, 0U);
}

TEST_F(CanaryTest, WhileOthersTellWhyNothingIsSeenNoneIsStarted) {
  canary.tick("");
  pass(20'000, "procmond is not connected");
  EXPECT_EQ(started, 101);
  EXPECT_TRUE(canary.reasons().empty());
  EXPECT_EQ(canary.counts().given_up, 1U);
  EXPECT_NE(canary.describe().find("procmond is not connected"), std::string::npos);
  pass(250);
  EXPECT_EQ(started, 102) << "as soon as it must be seen";
}

TEST_F(CanaryTest, WhatOthersTellByNowIsNotToldTwice) {
  canary.tick("");
  pass(7'000);
  ASSERT_EQ(canary.reasons().size(), 1U);
  const pid_t last = started;
  pass(kTickMs, "procmond is not connected");
  EXPECT_TRUE(canary.reasons().empty());
  pass(kTickMs);
  EXPECT_EQ(started, last + 1) << "not only when the interval is over";
  pass(3'250);
  EXPECT_EQ(canary.counts().unseen, 3U);
  EXPECT_TRUE(canary.reasons().empty()) << "it takes two again";
}

TEST_F(CanaryTest, ThatWeStoodStillIsNobodysFault) {
  canary.tick("");
  clock.now_ms += 60'000;
  canary.tick("");
  pass(2'000);
  EXPECT_EQ(canary.counts().unseen, 0U);
  arrives(101, 62'000);
  EXPECT_EQ(canary.counts().seen, 1U);
}

TEST_F(CanaryTest, ThatItCannotBeStartedTwiceIsToldAsWell) {
  can_start = false;
  canary.tick("");
  EXPECT_NE(canary.describe().find("the launcher has ended"), std::string::npos);
  EXPECT_TRUE(canary.reasons().empty());
  pass(kTickMs);
  EXPECT_EQ(canary.reasons().size(), 1U) << "nobody knows whether anything is seen";
  can_start = true;
  while (started == 100) pass(kTickMs);
  arrives(started);
  EXPECT_TRUE(canary.reasons().empty());
}

// Each try may hold up everybody else.
TEST_F(CanaryTest, WhatCannotBeStartedIsTriedOnceInEachInterval) {
  can_start = false;
  canary.tick("");
  pass(kTickMs);
  EXPECT_EQ(tries, 2) << "at once, to be sure";
  pass(9'750);
  EXPECT_EQ(tries, 2);
  pass(kTickMs);
  EXPECT_EQ(tries, 3);
}

TEST_F(CanaryTest, SaysHowLongTheLastOneTook) {
  canary.tick("");
  clock.now_ms += 8;
  arrives(101);
  EXPECT_EQ(canary.describe(), "1 of 1 seen, the last one within 8 ms");
}

TEST_F(CanaryTest, IsSwitchedOffByAnIntervalOfNothing) {
  const CanaryProgram program{.start = [this]() -> Result<pid_t> { return ++started; }, .has_ended = {}};
  Canary off({}, program, clock);
  off.tick("");
  EXPECT_EQ(started, 100);
  EXPECT_EQ(off.describe(), "switched off: canary.interval_secs is 0");
}

}  // namespace
}  // namespace de::integrity
