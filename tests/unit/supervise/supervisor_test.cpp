#include "supervise/supervisor.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <set>

#include "fake_clock.h"
#include "temp_dir.h"

namespace de::supervise {
namespace {

using test::read_text;
using test::TempDir;

using namespace std::chrono_literals;
using Change = Supervisor::Change;

class SupervisorTest : public testing::Test {
 protected:
  Launcher& running(std::vector<std::string> argv) {
    ChildOptions program;
    program.argv = std::move(argv);
    return launching(std::move(program));
  }
  Launcher& launching(ChildOptions program) {
    auto forked = Launcher::fork({std::move(program)});
    EXPECT_TRUE(forked);
    launcher_ = std::move(*forked);
    return *launcher_;
  }

  // Real processes end in their own time; the pauses between them are the fake clock's.
  static void await_end(const Supervisor& supervisor) {
    pollfd entry{supervisor.wait_fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&entry, 1, 10'000), 1);
  }

  static void crash(Supervisor& supervisor) {
    ASSERT_GT(supervisor.counts().pid, 0) << "0 would be all of us";
    ASSERT_EQ(::kill(supervisor.counts().pid, SIGKILL), 0);
    await_end(supervisor);
    ASSERT_EQ(supervisor.tick(), Change::Ended);
  }

  void crash_and_start_again(Supervisor& supervisor, int times) {
    ASSERT_EQ(supervisor.tick(), Change::Started);
    for (int i = 0; i < times; ++i) {
      crash(supervisor);
      wait_and_start(supervisor);
    }
  }

  // Starts when due and returns the pause that was waited.
  std::chrono::milliseconds wait_and_start(Supervisor& supervisor) {
    const auto pause = supervisor.counts().next_start;
    clock.advance(pause - 1ms);
    EXPECT_EQ(supervisor.tick(), Change::None) << "too early by a millisecond";
    clock.advance(1ms);
    EXPECT_EQ(supervisor.tick(), Change::Started);
    return pause;
  }

  FakeClock clock;
  std::unique_ptr<Launcher> launcher_;
};

TEST_F(SupervisorTest, StartsAtTheFirstTick) {
  Supervisor supervisor({}, running({"/bin/sleep", "1000"}), clock);
  EXPECT_FALSE(supervisor.counts().running);
  EXPECT_EQ(supervisor.wait_fd(), -1);
  EXPECT_EQ(supervisor.tick(), Change::Started);
  EXPECT_EQ(supervisor.tick(), Change::None);
  const auto counts = supervisor.counts();
  EXPECT_TRUE(counts.running);
  EXPECT_GT(counts.pid, 0);
  EXPECT_EQ(counts.starts, 1U);
  EXPECT_EQ(counts.next_start, 0ms);
}

TEST_F(SupervisorTest, RestartsAfterKillMinus9WithGrowingPauses) {
  Supervisor supervisor({}, running({"/bin/sleep", "1000"}), clock);
  ASSERT_EQ(supervisor.tick(), Change::Started);
  for (const auto expected : {1'000ms, 2'000ms, 4'000ms, 8'000ms, 16'000ms, 32'000ms, 60'000ms, 60'000ms}) {
    crash(supervisor);
    const auto counts = supervisor.counts();
    EXPECT_FALSE(counts.running);
    EXPECT_EQ(counts.pid, 0);
    EXPECT_EQ(counts.last_end, "killed by signal 9");
    const auto pause = wait_and_start(supervisor);
    EXPECT_LE(pause, expected);
    EXPECT_GE(pause, expected * 3 / 4) << "at most a quarter is taken off";
  }
  EXPECT_EQ(supervisor.counts().starts, 9U);
  EXPECT_EQ(supervisor.counts().ends, 8U);
}

TEST_F(SupervisorTest, AStableRunShortensTheNextPause) {
  Supervisor supervisor({}, running({"/bin/sleep", "1000"}), clock);
  crash_and_start_again(supervisor, 4);
  clock.advance(60s);
  crash(supervisor);
  EXPECT_LE(supervisor.counts().next_start, 1'000ms);
}

TEST_F(SupervisorTest, ReportsFlappingUntilItCalmsDown) {
  Supervisor supervisor({}, running({"/bin/sleep", "1000"}), clock);
  ASSERT_EQ(supervisor.tick(), Change::Started);
  for (int i = 0; i < 4; ++i) {
    crash(supervisor);
    EXPECT_FALSE(supervisor.counts().flapping) << i;
    wait_and_start(supervisor);
  }
  crash(supervisor);
  EXPECT_TRUE(supervisor.counts().flapping);
  wait_and_start(supervisor);
  EXPECT_TRUE(supervisor.counts().flapping) << "running again is not calm yet";
  clock.advance(300s);
  EXPECT_FALSE(supervisor.counts().flapping);
  for (int i = 0; i < 5; ++i) {
    crash(supervisor);
    wait_and_start(supervisor);
  }
  EXPECT_TRUE(supervisor.counts().flapping) << "and does it again";
}

TEST_F(SupervisorTest, NeverGivesUpOnAProgramThatCannotStart) {
  Supervisor supervisor({}, running({"/nonexistent/procmond"}), clock);
  std::set<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(supervisor.tick(), Change::StartFailed) << i;
    EXPECT_LE(supervisor.counts().next_start, 60s);
    pauses.insert(supervisor.counts().next_start);
    clock.advance(supervisor.counts().next_start);
  }
  const auto counts = supervisor.counts();
  EXPECT_GT(pauses.size(), 10U) << "those that died together do not come back together";
  EXPECT_EQ(counts.start_failures, 20U);
  EXPECT_EQ(counts.starts, 0U);
  EXPECT_EQ(counts.last_end, "start /nonexistent/procmond: exec: No such file or directory");
}

TEST_F(SupervisorTest, StopIsNotAFailureAndHolds) {
  Supervisor supervisor({}, running({"/bin/sleep", "1000"}), clock);
  ASSERT_EQ(supervisor.tick(), Change::Started);
  const auto stopped = supervisor.stop(10s);
  ASSERT_TRUE(stopped) << stopped.error().message();
  clock.advance(1h);
  EXPECT_EQ(supervisor.tick(), Change::None);
  EXPECT_EQ(supervisor.counts().ends, 0U);
  EXPECT_EQ(supervisor.counts().last_end, "stopped: killed by signal 15");
  EXPECT_TRUE(supervisor.stop(10s)) << "stopping twice is no error";
  supervisor.resume();
  EXPECT_EQ(supervisor.tick(), Change::Started);
}

TEST_F(SupervisorTest, WhatWaitsToBeStartedAgainCanBeStoppedToo) {
  Supervisor supervisor({}, running({"/bin/sleep", "1000"}), clock);
  crash_and_start_again(supervisor, 4);
  crash(supervisor);
  ASSERT_TRUE(supervisor.stop(10s));
  EXPECT_EQ(supervisor.counts().next_start, 0ms);
  EXPECT_EQ(supervisor.tick(), Change::None);
  supervisor.resume();
  ASSERT_EQ(supervisor.tick(), Change::Started) << "at once, whatever was waited for";
  crash(supervisor);
  EXPECT_LE(supervisor.counts().next_start, 1'000ms) << "and what was before is forgotten";
  ASSERT_TRUE(supervisor.stop(10s));
  clock.advance(1h);
  EXPECT_EQ(supervisor.tick(), Change::None);
}

TEST_F(SupervisorTest, WithoutAutoRestartOneEndIsTheEnd) {
  SupervisorOptions options;
  options.auto_restart = false;
  Supervisor supervisor(options, running({"/bin/true"}), clock);
  ASSERT_EQ(supervisor.tick(), Change::Started);
  await_end(supervisor);
  EXPECT_EQ(supervisor.tick(), Change::Ended);
  clock.advance(1h);
  EXPECT_EQ(supervisor.tick(), Change::None);
  EXPECT_EQ(supervisor.counts().last_end, "exited with code 0");
}

TEST_F(SupervisorTest, EveryStartGetsAFreshEnvironment) {
  const TempDir dir;
  int number = 0;
  ChildOptions program;
  program.argv = {"/bin/sh", "-c", "echo $TOKEN $FIXED"};
  program.environment = {"FIXED=same"};
  program.log_path = dir / "log";
  SupervisorOptions options;
  options.fresh_environment = [&]() -> Result<std::vector<std::string>> {
    if (++number == 2) return fail(Errc::Exhausted, "no token left");
    return std::vector<std::string>{"TOKEN=" + std::to_string(number)};
  };
  Supervisor supervisor(options, launching(program), clock);
  ASSERT_EQ(supervisor.tick(), Change::Started);
  await_end(supervisor);
  ASSERT_EQ(supervisor.tick(), Change::Ended);
  clock.advance(supervisor.counts().next_start);
  ASSERT_EQ(supervisor.tick(), Change::StartFailed);
  EXPECT_EQ(supervisor.counts().last_end, "no token left");
  clock.advance(supervisor.counts().next_start);
  ASSERT_EQ(supervisor.tick(), Change::Started);
  await_end(supervisor);
  EXPECT_EQ(read_text(dir / "log"), "1 same\n3 same\n");
}

TEST_F(SupervisorTest, WhatRunsEndsWithIt) {
  pid_t pid = 0;
  {
    Supervisor supervisor({}, running({"/bin/sleep", "1000"}), clock);
    ASSERT_EQ(supervisor.tick(), Change::Started);
    pid = supervisor.counts().pid;
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST_F(SupervisorTest, WithoutItsLauncherItSaysWhatToDo) {
  Supervisor supervisor({}, running({"/bin/sleep", "1000"}), clock);
  ASSERT_EQ(supervisor.tick(), Change::Started);
  ASSERT_EQ(::kill(launcher_->pid(), SIGKILL), 0);
  await_end(supervisor);  // What it had started ends with it.
  EXPECT_EQ(supervisor.tick(), Change::Ended);
  clock.advance(supervisor.counts().next_start);
  EXPECT_EQ(supervisor.tick(), Change::StartFailed);
  EXPECT_EQ(supervisor.counts().last_end, "the launcher has ended: restart the agent");
}

}  // namespace
}  // namespace de::supervise
