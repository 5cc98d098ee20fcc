// Whoever takes over one of our processes: every act of tests/attack, tried from within each of them after it has
// confined itself, and the same by root without anything in the way.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "acts.h"
#include "daemons.h"
#include "temp_dir.h"

namespace de::system_test {
namespace {

constexpr std::size_t kActsAtLeast = 40;

// Somebody who listens on loopback, TCP and UDP, both kinds of addresses; nobody reads.
class Listener {
 public:
  Listener() {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const int fd = ::socket(AF_INET6, type, 0);
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(port_);
      socklen_t size = sizeof address;
      const int off = 0;
      (void)::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
      if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) continue;
      if (type == SOCK_STREAM) (void)::listen(fd, 64);
      (void)::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
      port_ = ntohs(address.sin6_port);
    }
  }
  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_ = 0;
};

class Attack : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    std::ofstream(target_.dir + "/victim") << "text";
    std::ofstream(target_.dir + "/secret") << "text";
    ASSERT_EQ(::chmod(target_.dir.c_str(), 0777), 0);
    ASSERT_EQ(::chmod((target_.dir + "/victim").c_str(), 0666), 0);
    ASSERT_EQ(::chmod((target_.dir + "/secret").c_str(), 0600), 0);
    target_.port = listener_.port();
    victim_ = std::make_unique<Background>(std::vector<std::string>{"/bin/sleep", "1000"}, dir_ / "victim.log");
    target_.victim = victim_->pid();
  }

  // What the log of a program of ours says became of each act in `process`.
  static std::map<std::string, std::string> outcomes(const std::string& log, const std::string& process) {
    std::map<std::string, std::string> out;
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("attack|" + process + "|")) continue;
      const auto name = line.find('|', 7) + 1, end = line.find('|', name);
      out[line.substr(name, end - name)] = line.substr(end + 1);
    }
    return out;
  }
  void expect_refused(const std::map<std::string, std::string>& outcomes, const std::string& process,
                      const std::set<std::string>& by_nature) {
    static const std::set<std::string> kRefused = {"EPERM", "EACCES", "ENOSYS"};
    EXPECT_GE(outcomes.size(), kActsAtLeast);
    for (const auto& [name, outcome] : outcomes) {
      if (name == "done") continue;
      std::printf("  %-10s %-42s %s%s\n", process.c_str(), name.c_str(), outcome.c_str(),
                  by_nature.contains(name) ? "  (by nature)" : "");
      if (by_nature.contains(name)) continue;
      EXPECT_TRUE(kRefused.contains(outcome)) << process << " could " << name << ": " << outcome;
    }
  }

  test::TempDir dir_;
  test::TempDir shared_;
  Listener listener_;
  std::unique_ptr<Background> victim_;
  attack::Target target_{.dir = shared_ / "", .victim = 0, .port = 0};
};

// Otherwise the rest shows nothing.
TEST_F(Attack, WithNothingInTheWayTheActsWork) {
  std::size_t worked = 0;
  for (const attack::Act& act : attack::acts()) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (std::string(act.name).starts_with("mount") && ::unshare(CLONE_NEWNS) == 0)
        (void)::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
      ::_exit(act.run(target_));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    const int error = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
    std::printf("  %-10s %-42s %s\n", "root", act.name, error == 0 ? "worked" : std::strerror(error));
    worked += error == 0 ? 1 : 0;
  }
  EXPECT_GE(worked, kActsAtLeast);
  EXPECT_GE(worked + 5, attack::acts().size()) << "and nearly all of them, whatever this kernel was built without";
}

TEST_F(Attack, OurProcessesRefuseThem) {
  Host host;
  const std::string plant = target_.dir + ":" + std::to_string(target_.victim) + ":" + std::to_string(target_.port);
  ASSERT_EQ(::setenv("DE_ATTACK", plant.c_str(), 1), 0);
  host.start_agent({"--set", "sinks=[{name: hook, type: webhook, url: 'http://localhost:1/'}]"});
  host.start_procmond();
  ::unsetenv("DE_ATTACK");
  ASSERT_TRUE(eventually([&] { return host.is_steady(); })) << host.log("procmond");
  const std::string log = host.log("procmond");
  const auto procmond = outcomes(log, "procmond");
  if (procmond.empty()) GTEST_SKIP() << "built without DE_FAULTS: nobody is planted";
  ASSERT_TRUE(procmond.contains("done")) << log;
  expect_refused(procmond, "procmond", {});
  expect_refused(outcomes(host.log("agent"), "agent"), "agent", {});
  ASSERT_TRUE(eventually([&] { return contains(host.log("agent"), "attack|courier|done"); })) << host.log("agent");
  // Name servers are asked over UDP; which hosts are reached is for the service manager to bound.
  expect_refused(outcomes(host.log("agent"), "courier"), "courier", {"send over UDP"});
  // It is there to read, and what it reads it may read: docs/threats.md says what bounds it.
  std::set<std::string> reads;
  for (const attack::Act& act : attack::acts())
    if (act.is_reading) reads.insert(act.name);
  expect_refused(outcomes(log, "opener"), "opener", reads);
  EXPECT_TRUE(host.procmond.is_running()) << "and does its work afterwards";
  EXPECT_EQ(host.cli({"query", "SELECT count(*) FROM processes"}).exit_code, 0);
}

// One that has a socket of this host needs no network.
TEST_F(Attack, ACourierOfThisHostRefusesThemAll) {
  Host host;
  const std::string plant = target_.dir + ":" + std::to_string(target_.victim) + ":" + std::to_string(target_.port);
  const std::string path = host.dir() + "/journal";
  const int journal = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(::bind(journal, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  ASSERT_EQ(::setenv("DE_ATTACK", plant.c_str(), 1), 0);
  host.start_agent({"--set", "sinks=[{name: journal, type: journald, path: " + path + "}]"});
  ::unsetenv("DE_ATTACK");
  if (!eventually([&] { return contains(host.log("agent"), "attack|agent|done"); }, std::chrono::seconds(5)))
    GTEST_SKIP() << "built without DE_FAULTS: nobody is planted";
  ASSERT_TRUE(eventually([&] { return contains(host.log("agent"), "attack|courier|done"); })) << host.log("agent");
  // What is too large for a datagram is handed over in one; nothing of it can be executed.
  expect_refused(outcomes(host.log("agent"), "courier"), "courier", {"make a file without a name"});
  ::close(journal);
}

}  // namespace
}  // namespace de::system_test
