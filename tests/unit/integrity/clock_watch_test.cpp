#include "integrity/clock_watch.h"

#include <gtest/gtest.h>

namespace de::integrity {
namespace {

class TwoClocks final : public Clock {
 public:
  std::int64_t unix_ms() const override {
    wall_ms += before_ms;
    steady_ms += before_ms;
    steady_ms += between_ms;
    return wall_ms;
  }
  std::int64_t steady_ns() const override { return steady_ms * 1'000'000; }
  void pass(std::int64_t ms) {
    wall_ms += ms;
    steady_ms += ms;
  }
  mutable std::int64_t wall_ms = 1'000'000'000;
  mutable std::int64_t steady_ms = 1'000;
  std::int64_t before_ms = 0;   // That pass before the wall clock is read, after the steady one was,
  std::int64_t between_ms = 0;  // and from reading it to reading the steady one again.
};

TEST(ClockWatch, AJumpIsToldOnceWithBothTimes) {
  TwoClocks clock;
  ClockWatch watch(clock);
  clock.pass(250);
  EXPECT_FALSE(watch.look());
  clock.wall_ms += 3'600'000;
  clock.pass(250);
  const auto jump = watch.look();
  ASSERT_TRUE(jump);
  EXPECT_EQ(jump->to_ms, clock.wall_ms);
  EXPECT_EQ(jump->from_ms, clock.wall_ms - 3'600'000);
  clock.pass(250);
  EXPECT_FALSE(watch.look());
  clock.wall_ms -= 3'600'000;
  EXPECT_TRUE(watch.look()) << "and back";
}

TEST(ClockWatch, ASlewedClockIsNone) {
  TwoClocks clock;
  ClockWatch watch(clock);
  for (int i = 0; i < 1'000; ++i) {
    clock.pass(250);
    clock.wall_ms += 100;
    EXPECT_FALSE(watch.look());
  }
}

TEST(ClockWatch, AHostThatSleptOrStoodStillIsNone) {
  TwoClocks clock;
  ClockWatch watch(clock);
  clock.pass(8 * 3'600'000);
  EXPECT_FALSE(watch.look());
  clock.between_ms = 5'000;  // The wall clock was read before it, the steady one after.
  EXPECT_FALSE(watch.look());
  clock.between_ms = 0;
  clock.wall_ms += 5'000;
  EXPECT_FALSE(watch.look());
  clock.before_ms = 5'000;
  EXPECT_FALSE(watch.look());
  clock.before_ms = 0;
  EXPECT_FALSE(watch.look());
}

TEST(ClockWatch, AJumpWhileWeStoodStillIsToldAfterwards) {
  TwoClocks clock;
  ClockWatch watch(clock);
  clock.wall_ms += 3'600'000;
  clock.before_ms = 5'000;
  EXPECT_FALSE(watch.look());
  clock.before_ms = 0;
  const auto jump = watch.look();
  ASSERT_TRUE(jump);
  EXPECT_EQ(jump->to_ms - jump->from_ms, 3'600'000);
}

}  // namespace
}  // namespace de::integrity
