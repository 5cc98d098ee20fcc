#include "collect/pressure.h"

#include <gtest/gtest.h>

namespace de::collect {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

class PressureTest : public testing::Test {
 protected:
  // Some time later, with this CPU time since the last reading.
  std::optional<Pressure::Change> after(double seconds, PressureReading reading, double cpu_seconds = 0) {
    now_ns += static_cast<std::int64_t>(seconds * kSecondNs);
    cpu_ns += static_cast<std::int64_t>(cpu_seconds * kSecondNs);
    reading.now_ns = now_ns;
    reading.cpu_ns = cpu_ns;
    return pressure.observe(reading);
  }
  // Seconds of nothing until the level falls by one.
  int seconds_to_fall() {
    const Shedding before = pressure.level();
    for (int seconds = 1; seconds < 1000; ++seconds) {
      (void)after(1, {});
      if (pressure.level() != before) return seconds;
    }
    return -1;
  }
  Pressure pressure{50};
  std::int64_t now_ns = 1'000 * kSecondNs;
  std::int64_t cpu_ns = 0;
};

TEST_F(PressureTest, EachGaugeRaisesTheLevelAboveItsLimitsAndNotAtThem) {
  struct Case {
    double PressureReading::*gauge;
    double limits[3];
    const char* named;
  };
  for (const Case& one : {Case{&PressureReading::ring, {0.25, 0.375, 0.5}, "kernel's buffer"},
                          Case{&PressureReading::waiting, {0.25, 0.375, 0.5}, "waiting"},
                          Case{&PressureReading::spool, {0.5, 0.65, 0.8}, "spool"}}) {
    pressure = Pressure{50};
    for (int level = 0; level < 3; ++level) {
      PressureReading reading;
      reading.*one.gauge = one.limits[level];
      (void)after(1, reading);
      EXPECT_EQ(static_cast<int>(pressure.level()), level) << one.named << " at " << one.limits[level];
      reading.*one.gauge = one.limits[level] + 0.01;
      const auto change = after(1, reading);
      ASSERT_TRUE(change) << one.named;
      EXPECT_EQ(static_cast<int>(change->from), level);
      EXPECT_EQ(static_cast<int>(change->to), level + 1);
      EXPECT_NE(change->why.find(one.named), std::string::npos) << change->why;
      EXPECT_EQ(pressure.why(), change->why);
    }
  }
}

TEST_F(PressureTest, RisesAtOnceAndFallsStepByStep) {
  EXPECT_FALSE(after(1, {}));
  const auto rise = after(1, {.ring = 1.7});
  ASSERT_TRUE(rise);
  EXPECT_EQ(rise->to, Shedding::Arguments);
  EXPECT_NE(rise->why.find("100 % of the kernel's buffer"), std::string::npos) << rise->why;
  for (const Shedding next : {Shedding::Hashes, Shedding::Environment, Shedding::Nothing}) {
    EXPECT_EQ(seconds_to_fall(), 5);
    EXPECT_EQ(pressure.level(), next);
  }
  EXPECT_EQ(pressure.why(), "");
  EXPECT_EQ(pressure.rises(), 1U);
  EXPECT_EQ(pressure.time_ns()[3], 5 * kSecondNs);
  EXPECT_EQ(pressure.time_ns()[1], 5 * kSecondNs);
  EXPECT_EQ(pressure.time_ns()[0], kSecondNs);
}

TEST_F(PressureTest, StaysUntilItIsWellBelowWhereItBegan) {
  (void)after(1, {.spool = 0.51});
  ASSERT_EQ(pressure.level(), Shedding::Environment);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(after(1, {.spool = 0.45}));
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(after(1, {.spool = 0.39}));
  EXPECT_FALSE(after(0.9, {.spool = 0.45})) << "it has to be calm without a break";
  EXPECT_EQ(seconds_to_fall(), 5);
}

TEST_F(PressureTest, WhatComesBackSoonIsKeptLonger) {
  (void)after(1, {.ring = 0.3});
  EXPECT_EQ(seconds_to_fall(), 5);
  for (const int expected : {10, 20, 40, 80, 80}) {
    ASSERT_TRUE(after(1, {.ring = 0.3}));
    EXPECT_EQ(seconds_to_fall(), expected);
  }
  (void)after(31, {});
  ASSERT_TRUE(after(1, {.ring = 0.3}));
  EXPECT_EQ(seconds_to_fall(), 5) << "a while later it is forgotten";
}

TEST_F(PressureTest, ARiseThatGoesOnIsNoSecondRelapse) {
  (void)after(1, {.ring = 0.3});
  EXPECT_EQ(seconds_to_fall(), 5);
  ASSERT_TRUE(after(1, {.ring = 0.3}));
  ASSERT_TRUE(after(1, {.ring = 0.4}));
  EXPECT_EQ(seconds_to_fall(), 10) << "neither twice as long, nor as if it had not come back";
}

TEST_F(PressureTest, EachIntervalAboveTheQuotaIsOneStep) {
  (void)after(1, {});
  EXPECT_FALSE(after(2, {}, 1.0)) << "50 % is what is allowed";
  EXPECT_FALSE(after(1, {}, 1.0)) << "the interval is not over";
  auto change = after(1, {}, 1.0);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->to, Shedding::Environment);
  EXPECT_EQ(change->why, "100 % of a processor used, 50 % allowed");
  EXPECT_FALSE(after(0.1, {})) << "the same interval is not counted twice";
  EXPECT_TRUE(after(2, {}, 1.2));
  EXPECT_TRUE(after(2, {}, 1.2));
  EXPECT_EQ(pressure.level(), Shedding::Arguments);
  EXPECT_FALSE(after(2, {}, 2.0)) << "there is nothing more to leave out";
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(after(2, {}, 0.9)) << "45 % is too near to the quota to fall";
  EXPECT_TRUE(after(2, {}, 0.1) || after(2, {}, 0.1) || after(2, {}, 0.1));
  EXPECT_EQ(pressure.level(), Shedding::Hashes);
}

TEST_F(PressureTest, WithoutAQuotaTimeIsNoPressure) {
  pressure = Pressure{0};
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(after(2, {}, 4.0));
  (void)after(1, {.ring = 0.3}, 4.0);
  EXPECT_EQ(seconds_to_fall(), 5);
}

TEST_F(PressureTest, AnotherQuotaCountsFromTheNextInterval) {
  pressure = Pressure{0};
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(after(2, {}, 4.0));
  pressure.set_max_cpu_percent(50);
  EXPECT_FALSE(after(2, {}, 0.9)) << "what was used while there was no quota is not held against us";
  EXPECT_TRUE(after(2, {}, 1.2));
  pressure.set_max_cpu_percent(200);
  EXPECT_FALSE(after(2, {}, 3.0));
}

// Otherwise who looks at a full spool is told of a ring that has been empty for an hour.
TEST_F(PressureTest, AReasonThatIsOverIsReplacedByTheOneThatHolds) {
  ASSERT_TRUE(after(1, {.ring = 0.6}));
  EXPECT_FALSE(after(1, {.ring = 0.45, .spool = 0.9})) << "the ring alone would still hold it";
  const auto change = after(1, {.ring = 0.1, .spool = 0.9});
  ASSERT_TRUE(change);
  EXPECT_EQ(change->from, change->to);
  EXPECT_EQ(change->why, "90 % of the spool is full");
  EXPECT_EQ(pressure.why(), change->why);
  EXPECT_EQ(pressure.rises(), 1U);
  EXPECT_FALSE(after(1, {.ring = 0.1, .spool = 0.9})) << "once";
  EXPECT_EQ(seconds_to_fall(), 5);
  EXPECT_FALSE(after(1, {.spool = 0.7})) << "the spool still is the reason";
}

TEST_F(PressureTest, TheReasonIsTheOneThatKeepsTheLevelUp) {
  ASSERT_TRUE(after(1, {.ring = 0.6}));
  EXPECT_FALSE(after(1, {.spool = 0.6})) << "this much keeps the second level only";
  EXPECT_EQ(pressure.why(), "60 % of the kernel's buffer is full");
  for (int i = 0; i < 5 && pressure.level() == Shedding::Arguments; ++i) (void)after(1, {.spool = 0.6});
  const auto change = after(1, {.spool = 0.6});
  ASSERT_TRUE(change);
  EXPECT_EQ(change->to, Shedding::Hashes);
  EXPECT_EQ(change->why, "60 % of the spool is full");
}

TEST_F(PressureTest, WhileTheProcessorKeepsTheLevelUpItIsTheReason) {
  (void)after(1, {});
  ASSERT_TRUE(after(2, {}, 1.2));
  EXPECT_FALSE(after(2, {.spool = 0.45}, 0.9)) << "either would hold it";
  EXPECT_EQ(pressure.why(), "60 % of a processor used, 50 % allowed");
  const auto change = after(2, {.spool = 0.45}, 0.1);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->why, "45 % of the spool is full");
  EXPECT_EQ(seconds_to_fall(), 5) << "from then on";
}

// What the processor was used for before anybody looked is not held against us.
TEST_F(PressureTest, TheStartIsNoPressure) {
  EXPECT_FALSE(after(0, {}, 3.0));
  EXPECT_FALSE(after(0.1, {}, 0.1));
  EXPECT_FALSE(after(2, {}, 0.1));
  EXPECT_EQ(pressure.level(), Shedding::Nothing);
}

}  // namespace
}  // namespace de::collect
