// The process that starts programs for the agent: what is on its list, once each, and nothing it is told.
#include "supervise/launcher.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>
#include <vector>

#include "supervise/launcher_wire.h"
#include "temp_dir.h"

namespace de::supervise {
namespace {

using test::read_text;
using test::TempDir;
using namespace std::chrono_literals;

ChildOptions sleeping() {
  ChildOptions out;
  out.argv = {"/bin/sleep", "1000"};
  return out;
}

bool ends(const Launcher::Started& started) {
  pollfd entry{started.fd.get(), POLLIN, 0};
  return ::poll(&entry, 1, 10'000) == 1;
}

TEST(Launcher, StartsByNumberAndTellsHowItEnded) {
  const TempDir dir;
  ChildOptions second;
  second.argv = {"/bin/sh", "-c", "echo $WORD; exit 3"};
  second.log_path = dir / "log";
  const auto launcher = Launcher::fork({sleeping(), second});
  ASSERT_TRUE(launcher) << launcher.error().message();
  EXPECT_EQ((*launcher)->poll(1).error().code(), Errc::NotFound);
  const auto started = (*launcher)->start(1, {"WORD=hello"});
  ASSERT_TRUE(started) << started.error().message();
  ASSERT_TRUE(ends(*started));
  EXPECT_EQ((*launcher)->poll(1).value(), (ChildState{ChildState::Kind::Exited, 3}));
  EXPECT_EQ(read_text(dir / "log"), "hello\n");
  EXPECT_TRUE((*launcher)->start(1, {})) << "again, once it has ended";
}

// Couriers are begun by the threads of their sinks, while another one asks for the canary.
TEST(Launcher, SeveralMayAskAtOnce) {
  ChildOptions quick;
  quick.argv = {"/bin/true"};
  const auto launcher = Launcher::fork({quick, quick, quick});
  ASSERT_TRUE(launcher);
  std::vector<std::thread> askers;
  for (std::size_t program = 0; program < 3; ++program) {
    askers.emplace_back([&launcher, program] {
      for (int i = 0; i < 20; ++i) {
        const auto started = (*launcher)->start(program, {});
        ASSERT_TRUE(started) << started.error().message();
        ASSERT_TRUE(ends(*started));
        EXPECT_EQ((*launcher)->poll(program).value(), (ChildState{ChildState::Kind::Exited, 0}));
      }
    });
  }
  for (std::thread& asker : askers) asker.join();
}

TEST(Launcher, ASecondOneOfTheSameIsRefused) {
  const auto launcher = Launcher::fork({sleeping()});
  ASSERT_TRUE(launcher);
  const auto first = (*launcher)->start(0, {});
  ASSERT_TRUE(first);
  EXPECT_EQ((*launcher)->start(0, {}).error().code(), Errc::Conflict);
  EXPECT_EQ((*launcher)->stop(0, 5s).value(), (ChildState{ChildState::Kind::Signalled, SIGTERM}));
  EXPECT_TRUE(ends(*first));
  const auto second = (*launcher)->start(0, {});
  ASSERT_TRUE(second) << "once the first has ended";
  EXPECT_EQ((*launcher)->poll(0).value(), ChildState{}) << "and it is the new one that is told of";
}

TEST(Launcher, WhoDoesNotListenIsKilledWhenTheGraceIsOver) {
  const TempDir dir;
  ChildOptions deaf;
  deaf.argv = {"/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"};
  deaf.log_path = dir / "log";
  const auto launcher = Launcher::fork({deaf});
  ASSERT_TRUE(launcher);
  ASSERT_TRUE((*launcher)->start(0, {}));
  for (int tries = 0; tries < 1'000 && read_text(dir / "log").empty(); ++tries) ::usleep(10'000);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ((*launcher)->stop(0, 300ms).value(), (ChildState{ChildState::Kind::Signalled, SIGKILL}));
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 10s);
}

TEST(Launcher, WhatCannotBeStartedIsSaid) {
  ChildOptions missing;
  missing.argv = {"/nonexistent/program"};
  const auto launcher = Launcher::fork({missing});
  ASSERT_TRUE(launcher);
  const auto started = (*launcher)->start(0, {});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::NotFound);
  EXPECT_EQ(started.error().message(), "start /nonexistent/program: exec: No such file or directory");
  EXPECT_EQ((*launcher)->start(0, {std::string(kMaxFreshBytes, 'x')}).error().code(), Errc::TooLarge);
  EXPECT_EQ((*launcher)->start(0, {"no name"}).error().code(), Errc::Invalid);
}

TEST(Launcher, ItEndsWithWhoForkedItAndSoDoesWhatItStarted) {
  auto launcher = Launcher::fork({sleeping()});
  ASSERT_TRUE(launcher);
  const pid_t pid = (*launcher)->pid();
  const auto started = (*launcher)->start(0, {});
  ASSERT_TRUE(started);
  ASSERT_EQ(::kill(pid, SIGTERM), 0) << "not for it";
  ASSERT_EQ((*launcher)->poll(0).value(), ChildState{});
  launcher->reset();
  EXPECT_TRUE(ends(*started));
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status));
}

TEST(Launcher, KnowsABoundedNumberOfPrograms) {
  EXPECT_TRUE(Launcher::fork(std::vector<ChildOptions>(kMaxPrograms, sleeping())));
  const auto launcher = Launcher::fork(std::vector<ChildOptions>(kMaxPrograms + 1, sleeping()));
  ASSERT_FALSE(launcher);
  EXPECT_EQ(launcher.error().code(), Errc::Invalid);
}

TEST(Launcher, ALongReasonIsCutAndNothingElseHappens) {
  ChildOptions missing;
  missing.argv = {"/nonexistent/" + std::string(3'000, 'x')};
  const auto launcher = Launcher::fork({missing});
  ASSERT_TRUE(launcher);
  const std::string why = (*launcher)->start(0, {}).error().message();
  EXPECT_EQ(why.substr(0, 20), "start /nonexistent/x");
  EXPECT_EQ(why.size(), kMaxLauncherText);
  EXPECT_EQ((*launcher)->poll(0).error().code(), Errc::NotFound);
}

// ---- One that stands still ----

class StandingStill : public testing::Test {
 protected:
  void SetUp() override {
    auto forked = Launcher::fork({sleeping()});
    ASSERT_TRUE(forked);
    launcher_ = std::move(*forked);
    ASSERT_EQ(::kill(launcher_->pid(), SIGSTOP), 0);
    begin_ = std::chrono::steady_clock::now();
  }
  ~StandingStill() override {
    if (launcher_) go_on();
  }
  void go_on() { EXPECT_EQ(::kill(launcher_->pid(), SIGCONT), 0); }
  auto took() const { return std::chrono::steady_clock::now() - begin_; }

  std::unique_ptr<Launcher> launcher_;
  std::chrono::steady_clock::time_point begin_;
};

TEST_F(StandingStill, IsWaitedForAsLongAsOneMay) {
  EXPECT_EQ(launcher_->start(0, {}, 200ms).error().code(), Errc::Timeout);
  EXPECT_EQ(launcher_->poll(0, 100ms).error().code(), Errc::Timeout);
  EXPECT_GE(took(), 300ms);
  EXPECT_LT(took(), 5s);
  go_on();
  EXPECT_EQ(launcher_->start(0, {}).error().code(), Errc::Conflict) << "what is late answers nothing else";
  EXPECT_EQ(launcher_->poll(0).value(), ChildState{});
}

// What it does not read fills the channel at last.
TEST_F(StandingStill, IsWaitedForNoLongerWhenManyAsked) {
  for (int i = 0; i < 2'000 && took() < 5s; ++i) {
    const auto state = launcher_->poll(0, 0ms);
    ASSERT_FALSE(state);
    ASSERT_EQ(state.error().code(), Errc::Timeout) << state.error().message();
  }
  EXPECT_LT(took(), 5s);
  go_on();
  EXPECT_EQ(launcher_->poll(0).error().code(), Errc::NotFound);
}

TEST_F(StandingStill, IsWaitedForNoLongerWhenSignalsCome) {
  static pid_t still;
  static int signals;
  still = launcher_->pid();
  signals = 0;
  struct sigaction counting {
  }, before{};
  counting.sa_handler = [](int) {
    if (++signals == 50) ::kill(still, SIGCONT);  // So that a test that fails ends.
  };
  ASSERT_EQ(::sigaction(SIGALRM, &counting, &before), 0);
  const itimerval often{{0, 50'000}, {0, 50'000}}, never{};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
  EXPECT_EQ(launcher_->poll(0, 300ms).error().code(), Errc::Timeout);
  ASSERT_EQ(::setitimer(ITIMER_REAL, &never, nullptr), 0);
  ASSERT_EQ(::sigaction(SIGALRM, &before, nullptr), 0);
  EXPECT_GT(signals, 0);
  EXPECT_GE(took(), 300ms);
}

// ---- An agent that somebody took over ----

class Served : public testing::Test {
 protected:
  Served() {
    int both[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, both) != 0) std::abort();
    ours_ = UniqueFd(both[0]);
    child_ = ::fork();
    if (child_ == 0) {
      ours_.reset();
      serve_launcher(UniqueFd(both[1]), {sleeping()});
      ::_exit(7);
    }
    ::close(both[1]);
  }
  ~Served() override {
    ours_.reset();
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }
  // Sends it; true when the launcher ended over it, and in order: one that crashed is one that did not look.
  bool ends_over(const LauncherRequest& request, const std::string& more) {
    std::string message(sizeof request, '\0');
    std::memcpy(message.data(), &request, sizeof request);
    message += more;
    if (::send(ours_.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0) return false;
    char byte = 0;
    if (::recv(ours_.get(), &byte, 1, 0) > 0) return false;
    int status = 0;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  UniqueFd ours_;
  pid_t child_ = -1;
};

TEST_F(Served, AProgramThatIsNotListedEndsIt) { EXPECT_TRUE(ends_over({kAskStart, 1, 0, 0}, "")); }
TEST_F(Served, AnUnknownRequestEndsIt) {
  EXPECT_FALSE(ends_over({kAskStart, 0, 0, 0}, ""));
  EXPECT_TRUE(ends_over({9, 0, 0, 0}, ""));
}
TEST_F(Served, FewerBytesThanSaidEndIt) { EXPECT_TRUE(ends_over({kAskStart, 0, 0, 10}, std::string("A=1\0", 4))); }
TEST_F(Served, MoreBytesThanSaidEndIt) { EXPECT_TRUE(ends_over({kAskStart, 0, 0, 2}, std::string("A=1\0", 4))); }
TEST_F(Served, AGraceOfMoreThanAMinuteEndsIt) {
  EXPECT_FALSE(ends_over({kAskStop, 0, 60'000, 0}, ""));
  EXPECT_TRUE(ends_over({kAskStop, 0, 60'001, 0}, ""));
}
TEST_F(Served, VariablesWithoutAnEndEndIt) { EXPECT_TRUE(ends_over({kAskStart, 0, 0, 3}, "A=1")); }
TEST_F(Served, MoreThanAMessageEndsIt) {
  EXPECT_TRUE(ends_over({kAskStart, 0, 0, kMaxFreshBytes + 1}, std::string(kMaxFreshBytes + 1, '\0')));
}

}  // namespace
}  // namespace de::supervise
