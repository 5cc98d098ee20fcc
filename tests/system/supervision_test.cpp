// The agent starts procmond itself: in a private directory, without a service manager.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>

#include "daemons.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class Supervision : public testing::Test {
 protected:
  void start() {
    const std::string config = host.demo_dir() + "/agent.yaml";
    std::ofstream(config) << "collectors:\n  - id: procmond\n    path: " << program("procmond") << "\n";
    ::chmod(config.c_str(), 0644);
    host.start_agent({"--config", config});
    ASSERT_TRUE(host.is_steady()) << host.log("agent") << log();
  }
  // Of procmond as the agent knows it; 0 while there is none.
  pid_t procmond_pid() {
    const Ran health = host.cli({"--output", "csv", "health", "collector.procmond"});
    const auto at = health.out.find(", pid ");
    return at == std::string::npos ? 0 : std::atoi(health.out.c_str() + at + 6);
  }
  std::string log() {
    std::ifstream in(host.dir() + "/procmond.log");
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  static bool is_gone(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string stat;
    std::getline(in, stat);
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  }
  Host host;
};

TEST_F(Supervision, ProcmondIsStartedAndStartedAgain) {
  ASSERT_NO_FATAL_FAILURE(start());
  const pid_t first = procmond_pid();
  ASSERT_GT(first, 0) << host.cli({"health"}).out;
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] {
    const pid_t now = procmond_pid();
    return now > 0 && now != first;
  })) << host.log("agent")
      << log();
  EXPECT_TRUE(host.is_steady()) << host.log("agent") << log();
  const Ran tail = host.cli({"audit", "tail"});
  EXPECT_NE(tail.out.find("collector.ended"), std::string::npos) << tail.out;
  EXPECT_EQ(host.cli({"audit", "verify"}).exit_code, 0);
}

TEST_F(Supervision, ItEndsWithTheAgent) {
  ASSERT_NO_FATAL_FAILURE(start());
  const pid_t pid = procmond_pid();
  ASSERT_GT(pid, 0);
  host.agent.signal(SIGTERM);
  EXPECT_EQ(host.agent.wait(20s), 0) << host.log("agent");
  EXPECT_TRUE(is_gone(pid));
  EXPECT_NE(host.cli({"audit", "tail"}).out.find("procmond.stop"), std::string::npos) << log();
}

TEST_F(Supervision, ItDoesNotOutliveAKilledAgent) {
  ASSERT_NO_FATAL_FAILURE(start());
  const pid_t pid = procmond_pid();
  ASSERT_GT(pid, 0);
  host.agent.signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return is_gone(pid); }));
}

TEST_F(Supervision, AnotherProgramCannotTakeItsPlace) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_EQ(::kill(procmond_pid(), SIGKILL), 0);
  // Killed and not yet started again: another one knocks under the same id, and from an account that may.
  const Host elsewhere;
  const Background other({program("procmond"), "--state-dir", elsewhere.dir(), "--broker", host.dir() + "/broker.sock"},
                         host.demo_dir() + "/procmond.log");
  ASSERT_TRUE(eventually([&] { return host.log("procmond").find("is not the process") != std::string::npos; }))
      << host.log("procmond");
  EXPECT_NE(procmond_pid(), other.pid());
  EXPECT_TRUE(host.is_steady()) << host.log("agent");
}

// By number, because nothing is known of this host's accounts.
TEST_F(Supervision, ACollectorOfAnotherUserThanTheConfigurationNamesIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: procmond has an account of its own then";
  const auto start_for = [this](const std::string& user) {
    host.agent = {};
    host.start_agent({"--set", "collectors=[{id: procmond, user: '" + user + "'}]"});
  };
  start_for("4711");
  host.start_procmond();
  ASSERT_TRUE(eventually([&] {
    return contains(host.log("procmond"),
                    "collector procmond must be uid 4711 by the agent's configuration, not 64123");
  })) << host.log("procmond");
  EXPECT_EQ(procmond_pid(), 0);
  start_for("64123");
  EXPECT_TRUE(host.is_steady()) << host.log("agent");
  start_for("nobody-of-this-name");
  EXPECT_EQ(host.agent.wait(20s), 1);
  EXPECT_TRUE(contains(host.log("agent"), "collectors: user of \"procmond\": ")) << host.log("agent");
}

TEST_F(Supervision, AProgramThatDoesNotStartIsNamed) {
  const std::string config = host.demo_dir() + "/agent.yaml";
  std::ofstream(config) << "collectors:\n  - id: procmond\n    path: /nowhere/procmond\n    startup_timeout_secs: 2\n";
  ::chmod(config.c_str(), 0644);
  host.start_agent({"--config", config});
  ASSERT_TRUE(eventually([&] {
    return host.cli({"health", "agent"}).out.find("StartupFailed") != std::string::npos;
  })) << host.log("agent");
  EXPECT_NE(host.log("agent").find("/nowhere/procmond"), std::string::npos) << host.log("agent");
  const Ran health = host.cli({"health"});
  EXPECT_EQ(health.exit_code, 1);
  EXPECT_NE(health.out.find("/nowhere/procmond"), std::string::npos) << health.out;
}

}  // namespace
}  // namespace de::system_test
