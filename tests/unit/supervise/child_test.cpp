#include "supervise/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <thread>

#include "temp_dir.h"

namespace de::supervise {
namespace {

using test::read_text;
using test::TempDir;

using namespace std::chrono_literals;
using Kind = ChildState::Kind;

ChildOptions shell(std::string script) { return {.argv = {"/bin/sh", "-c", std::move(script)}}; }

// Waits on the pidfd, as the agent's loop does.
ChildState await_end(Child& child) {
  pollfd entry{child.wait_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 10'000), 1) << "the program did not end";
  auto state = child.poll();
  EXPECT_TRUE(state) << state.error().message();
  return state ? *state : ChildState{};
}

// A zombie that nobody has reaped yet is as dead as one that is gone.
bool is_alive(pid_t pid) {
  const std::string stat = read_text("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t end = stat.rfind(')');
  return end != std::string::npos && stat.size() > end + 2 && stat[end + 2] != 'Z' && stat[end + 2] != 'X';
}

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

TEST(Child, ReportsTheExitCode) {
  auto child = Child::start(shell("exit 7"));
  ASSERT_TRUE(child) << child.error().message();
  EXPECT_EQ(await_end(*child), (ChildState{Kind::Exited, 7}));
  EXPECT_EQ(*child->poll(), (ChildState{Kind::Exited, 7})) << "the answer stays the same afterwards";
  EXPECT_EQ(describe(*child->poll()), "exited with code 7");
}

TEST(Child, ReportsTheSignalOfKillMinus9) {
  auto child = Child::start({.argv = {"/bin/sleep", "1000"}});
  ASSERT_TRUE(child) << child.error().message();
  EXPECT_EQ(*child->poll(), (ChildState{Kind::Running, 0}));
  ASSERT_EQ(::kill(child->pid(), SIGKILL), 0);
  EXPECT_EQ(await_end(*child), (ChildState{Kind::Signalled, SIGKILL}));
  EXPECT_EQ(describe(*child->poll()), "killed by signal 9");
}

struct BadStart {
  const char* why;
  ChildOptions options;
  Errc code;
};

TEST(Child, FailuresBeforeExecAreOurErrors) {
  const TempDir dir;
  std::ofstream(dir / "plain") << "not a program";
  std::vector<std::string> many(kMaxWords + 1, "x");
  many[0] = "/bin/true";
  const BadStart cases[] = {
      {"no argv", {}, Errc::Invalid},
      {"relative path", {.argv = {"true"}}, Errc::Invalid},
      {"missing program", {.argv = {"/nonexistent/program"}}, Errc::NotFound},
      {"not executable", {.argv = {dir / "plain"}}, Errc::Denied},
      {"a directory", {.argv = {"/tmp"}}, Errc::Denied},
      {"zero byte", {.argv = {"/bin/true", std::string("a\0b", 3)}}, Errc::Invalid},
      {"too many words", {.argv = many}, Errc::Invalid},
      {"variable without =", {.argv = {"/bin/true"}, .environment = {"NAME"}}, Errc::Invalid},
      {"variable without name", {.argv = {"/bin/true"}, .environment = {"=x"}}, Errc::Invalid},
      {"log in a missing directory", {.argv = {"/bin/true"}, .log_path = "/nonexistent/log"}, Errc::Io},
  };
  for (const BadStart& bad : cases) {
    const auto child = Child::start(bad.options);
    ASSERT_FALSE(child) << bad.why;
    EXPECT_EQ(child.error().code(), bad.code) << bad.why << ": " << child.error().message();
  }
}

TEST(Child, NamesTheStepThatFailed) {
  const auto child = Child::start({.argv = {"/nonexistent/program"}});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().message(), "start /nonexistent/program: exec: No such file or directory");
}

TEST(Child, EnvironmentAdditionsReplaceInheritedOnes) {
  const TempDir dir;
  ::setenv("DE_TEST_INHERITED", "old", 1);
  ::setenv("DE_TEST_KEPT", "kept", 1);
  ChildOptions options = shell("echo $DE_TEST_INHERITED $DE_TEST_KEPT; env | grep -c DE_TEST_INHERITED=");
  options.environment = {"DE_TEST_INHERITED=new"};
  options.log_path = dir / "log";
  auto child = Child::start(options);
  ASSERT_TRUE(child) << child.error().message();
  await_end(*child);
  EXPECT_EQ(read_text(dir / "log"), "new kept\n1\n");
}

TEST(Child, LogIsAppendedPrivateAndNeverALink) {
  const TempDir dir;
  ChildOptions options = shell("echo out; echo err >&2");
  options.log_path = dir / "log";
  for (int run = 0; run < 2; ++run) {
    auto child = Child::start(options);
    ASSERT_TRUE(child) << child.error().message();
    await_end(*child);
  }
  EXPECT_EQ(read_text(dir / "log"), "out\nerr\nout\nerr\n");
  struct stat info {};
  ASSERT_EQ(::stat((dir / "log").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0137U, 0U);

  ASSERT_EQ(::symlink((dir / "victim").c_str(), (dir / "link").c_str()), 0);
  options.log_path = dir / "link";
  EXPECT_FALSE(Child::start(options));
  EXPECT_FALSE(std::filesystem::exists(dir / "victim"));
}

TEST(Child, StartsWithCleanSignalsInputAndDescriptors) {
  const TempDir dir;
  const int leaked = ::open("/dev/null", O_RDONLY);  // No O_CLOEXEC: a library of ours forgot it.
  ASSERT_GE(leaked, 0);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction before {};
  ::sigaction(SIGPIPE, &ignore, &before);
  sigset_t blocked;
  sigset_t mask;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &mask);
  ChildOptions options =
      shell("grep -E 'SigBlk|SigIgn' /proc/self/status | tr -d '\\t'; readlink /proc/self/fd/0; ls -1 /proc/$$/fd");
  options.log_path = dir / "log";
  auto child = Child::start(options);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::sigaction(SIGPIPE, &before, nullptr);
  ::close(leaked);
  ASSERT_TRUE(child) << child.error().message();
  await_end(*child);
  EXPECT_EQ(read_text(dir / "log"), "SigBlk:0000000000000000\nSigIgn:0000000000000000\n/dev/null\n0\n1\n2\n");
}

TEST(Child, RunsAsAnotherUserForGood) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const TempDir dir;
  ChildOptions options = shell("id -u; id -g; id -G");
  options.run_as = RunAs{.uid = 65534, .gid = 65533, .groups = {65532}};
  options.log_path = dir / "log";
  auto child = Child::start(options);
  ASSERT_TRUE(child) << child.error().message();
  EXPECT_EQ(await_end(*child), (ChildState{Kind::Exited, 0}));
  EXPECT_EQ(read_text(dir / "log"), "65534\n65533\n65533 65532\n");
}

TEST(Child, StopAsksFirst) {
  const TempDir dir;
  ChildOptions options = shell("trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.01; done");
  options.log_path = dir / "log";
  auto child = Child::start(options);
  ASSERT_TRUE(child) << child.error().message();
  ASSERT_TRUE(eventually([&] { return read_text(dir / "log") == "up\n"; }));
  const auto state = child->stop(10s);
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_EQ(*state, (ChildState{Kind::Exited, 3}));
  EXPECT_EQ(read_text(dir / "log"), "up\nasked\n");
  EXPECT_EQ(*child->stop(10s), *state) << "stopping twice is no error";
}

TEST(Child, StopKillsWhoDoesNotListen) {
  const TempDir dir;
  ChildOptions options = shell("trap '' TERM; echo up; while :; do sleep 0.01; done");
  options.log_path = dir / "log";
  auto child = Child::start(options);
  ASSERT_TRUE(child) << child.error().message();
  ASSERT_TRUE(eventually([&] { return read_text(dir / "log") == "up\n"; }));
  const auto state = child->stop(50ms);
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_EQ(*state, (ChildState{Kind::Signalled, SIGKILL}));
}

TEST(Child, StopReachesAStoppedProgram) {
  auto child = Child::start({.argv = {"/bin/sleep", "1000"}});
  ASSERT_TRUE(child) << child.error().message();
  ASSERT_EQ(::kill(child->pid(), SIGSTOP), 0);
  const auto state = child->stop(10s);
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_EQ(*state, (ChildState{Kind::Signalled, SIGTERM}));
}

// The shell leaves a sleeper in its group and ends (or is killed).
pid_t sleeper_of(const TempDir& dir) {
  pid_t sleeper = 0;
  EXPECT_TRUE(eventually([&] {
    const std::string text = read_text(dir / "log");
    if (text.empty() || text.back() != '\n') return false;
    sleeper = std::stoi(text);
    return true;
  }));
  return sleeper;
}

TEST(Child, NothingOfTheGroupOutlivesIt) {
  for (const char* ending : {"", "; wait"}) {
    const TempDir dir;
    ChildOptions options = shell(std::string("sleep 1000 & echo $!") + ending);
    options.log_path = dir / "log";
    auto child = Child::start(options);
    ASSERT_TRUE(child) << child.error().message();
    const pid_t sleeper = sleeper_of(dir);
    if (*ending != '\0') {
      EXPECT_TRUE(child->stop(0ms));
    } else {
      EXPECT_EQ(await_end(*child), (ChildState{Kind::Exited, 0}));
    }
    EXPECT_TRUE(eventually([&] { return !is_alive(sleeper); })) << "ending: " << ending;
  }
}

TEST(Child, DestructorKillsAndReaps) {
  pid_t pid = 0;
  {
    auto child = Child::start({.argv = {"/bin/sleep", "1000"}});
    ASSERT_TRUE(child) << child.error().message();
    pid = child->pid();
    Child moved = std::move(*child);
    EXPECT_EQ(moved.pid(), pid);
    EXPECT_FALSE(child->poll()) << "the moved-from object watches nothing";
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(Child, AssignmentEndsTheOldProgram) {
  auto first = Child::start({.argv = {"/bin/sleep", "1000"}});
  auto second = Child::start({.argv = {"/bin/sleep", "1000"}});
  ASSERT_TRUE(first && second);
  const pid_t old = first->pid();
  const pid_t kept = second->pid();
  *first = std::move(*second);
  EXPECT_FALSE(is_alive(old));
  EXPECT_EQ(first->pid(), kept);
  EXPECT_TRUE(is_alive(kept));
}

TEST(Child, DiesWithTheAgent) {
  // Another process plays the agent, so that kill -9 can hit it.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t agent = ::fork();
  if (agent == 0) {
    auto child = Child::start({.argv = {"/bin/sleep", "1000"}});
    const pid_t pid = child ? child->pid() : -1;
    (void)!::write(ends[1], &pid, sizeof pid);
    ::pause();
    ::_exit(0);
  }
  pid_t grandchild = 0;
  ASSERT_EQ(::read(ends[0], &grandchild, sizeof grandchild), static_cast<ssize_t>(sizeof grandchild));
  ASSERT_GT(grandchild, 0);
  EXPECT_TRUE(is_alive(grandchild));
  ASSERT_EQ(::kill(agent, SIGKILL), 0);
  ::waitpid(agent, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return !is_alive(grandchild); }));
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace de::supervise
