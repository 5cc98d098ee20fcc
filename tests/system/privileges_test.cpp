// What procmond and its opener hold, as the kernel says it, and what becomes of one without the other.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "daemons.h"
#include "temp_dir.h"

namespace de::system_test {
namespace {

using Status = std::map<std::string, std::string>;

Status status_of(pid_t pid) {
  Status out;
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(':');
    const auto value = line.find_first_not_of(" \t", colon + 1);
    if (colon != line.npos && value != line.npos) out[line.substr(0, colon)] = line.substr(value);
  }
  return out;
}

// The child of `procmond`; 0 when it has none.
pid_t opener_of(pid_t procmond) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    const pid_t pid = std::stoi(name);
    const Status status = status_of(pid);
    const auto parent = status.find("PPid");
    if (parent != status.end() && parent->second == std::to_string(procmond)) return pid;
  }
  return 0;
}

class Privileges : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    host_.start_agent();
    host_.start_procmond();
    ASSERT_TRUE(eventually([this] { return host_.is_steady(); })) << host_.log("procmond");
    opener_ = opener_of(host_.procmond.pid());
    ASSERT_NE(opener_, 0) << host_.log("procmond");
  }
  Host host_;
  pid_t opener_ = 0;
};

TEST_F(Privileges, ProcmondHoldsNoneAndItsOpenerTwo) {
  Status procmond = status_of(host_.procmond.pid());
  Status opener = status_of(opener_);
  for (Status* status : {&procmond, &opener}) {
    EXPECT_EQ((*status)["CapInh"], "0000000000000000");
    EXPECT_EQ((*status)["CapBnd"], "0000000000000000");
    EXPECT_EQ((*status)["CapAmb"], "0000000000000000");
    EXPECT_EQ((*status)["NoNewPrivs"], "1");
    EXPECT_EQ((*status)["Seccomp"], "2");
    EXPECT_EQ((*status)["Uid"].substr(0, 2), "64") << "nobody's real account";
    EXPECT_EQ((*status).contains("Groups"), false) << (*status)["Groups"];
  }
  EXPECT_EQ(procmond["CapPrm"], "0000000000000000");
  EXPECT_EQ(procmond["CapEff"], "0000000000000000");
  EXPECT_EQ(opener["CapPrm"], "0000000000080004") << "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";
  EXPECT_EQ(opener["CapEff"], "0000000000080004");
  EXPECT_EQ(opener["Name"], "procmond-opener");
  const Ran ledger = host_.cli({"audit", "verify", host_.dir() + "/ledger"});
  EXPECT_EQ(ledger.exit_code, 0) << ledger.err;
}

// Nothing of procmond's but its channels and the standard streams.
TEST_F(Privileges, TheOpenerHasItsChannelsAndNothingElse) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(opener_) + "/fd")) {
    const int number = std::stoi(entry.path().filename());
    const std::string leads_to = std::filesystem::read_symlink(entry.path());
    if (number <= 2) continue;
    EXPECT_TRUE(leads_to == "/proc" || leads_to.starts_with("socket:")) << number << ": " << leads_to;
  }
}

TEST_F(Privileges, WhatNobodyElseMayReadIsHashedAllTheSame) {
  const std::string hidden = host_.demo_dir() + "/private";
  std::filesystem::create_directory(hidden);
  std::filesystem::copy_file("/bin/sleep", hidden + "/guarded");
  ASSERT_EQ(::chmod((hidden + "/guarded").c_str(), 0700), 0);
  ASSERT_EQ(::chmod(hidden.c_str(), 0700), 0);
  const Ran sum = run({"/usr/bin/sha256sum", hidden + "/guarded"});
  const Background guarded({hidden + "/guarded", "1000"}, host_.dir() + "/guarded.log");
  const std::string sql =
      "SELECT executable_hash, on_disk_state, cwd FROM processes WHERE pid = " + std::to_string(guarded.pid());
  const std::string expected = sum.out.substr(0, 64) + ",match," + std::filesystem::current_path().string();
  EXPECT_TRUE(eventually([&] {
    return host_.cli({"--output", "csv", "query", sql}).out.find(expected) != std::string::npos;
  })) << expected
      << "\n"
      << host_.cli({"query", sql}).out;
}

TEST_F(Privileges, WithoutTheOpenerTheEventsGoOnAndHealthSaysWhatIsMissing) {
  ASSERT_EQ(::kill(opener_, SIGKILL), 0);
  EXPECT_TRUE(eventually([this] { return host_.cli({"health"}).out.find("restart procmond") != std::string::npos; }))
      << host_.cli({"health"}).out;
  const pid_t late = host_.run_from_tmp("after-the-opener");
  const std::string sql =
      "SELECT count(*) FROM processes.events WHERE event_type = 'exec' AND pid = " + std::to_string(late);
  EXPECT_TRUE(eventually([&] {
    return host_.cli({"--output", "csv", "query", sql}).out.find("\n1") != std::string::npos;
  })) << host_.cli({"query", sql}).out;
  EXPECT_TRUE(host_.procmond.is_running());
}

// Whoever may run it would be answered as its owner.
TEST_F(Privileges, TheConsoleDoesNotLendItsOwnersRights) {
  for (const mode_t mode : {04755U, 02755U}) {
    const std::string lent = host_.demo_dir() + "/lent";
    std::filesystem::copy_file(program("daemoneye-cli"), lent, std::filesystem::copy_options::overwrite_existing);
    ASSERT_EQ(::chown(lent.c_str(), 0, 0), 0);
    ASSERT_EQ(::chmod(lent.c_str(), mode), 0);
    const Ran ran = run({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", lent, "health"});
    EXPECT_EQ(ran.exit_code, 5) << ran.out;
    EXPECT_NE(ran.err.find("set-uid"), ran.err.npos) << ran.err;
  }
}

TEST_F(Privileges, TheOpenerEndsWithProcmond) {
  host_.procmond.signal(SIGKILL);
  EXPECT_TRUE(eventually([this] { return ::kill(opener_, 0) != 0 || status_of(opener_)["State"].starts_with("Z"); },
                         std::chrono::seconds(10)));
}

TEST_F(Privileges, ASignalForBothEndsProcmondInOrder) {
  ASSERT_EQ(::kill(opener_, SIGTERM), 0);
  ASSERT_EQ(::kill(opener_, SIGINT), 0);
  const pid_t late = host_.run_from_tmp("still-served");
  const std::string sql =
      "SELECT executable_hash FROM processes WHERE executable_hash IS NOT NULL AND pid = " + std::to_string(late);
  EXPECT_TRUE(eventually([&] { return host_.cli({"--output", "csv", "query", sql}).out.size() > 64; }));
  host_.procmond.signal(SIGTERM);
  EXPECT_EQ(host_.procmond.wait(std::chrono::seconds(10)), 0);
}

// /proc may hide what belongs to others: then it takes a capability to see them, and that is kept.
TEST(Hidden, OtherUsersProcessesAreSeenAllTheSame) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  Host host;
  host.start_agent();
  const std::string command = "mount --make-rprivate / && mount -t proc -o hidepid=2 proc /proc && exec " +
                              program("procmond") + " --state-dir " + host.dir() + " --broker " + host.dir() +
                              "/broker.sock --set scan_interval_ms=1000";
  const Background procmond({"/usr/bin/unshare", "--mount", "/bin/sh", "-c", command}, host.dir() + "/hidden.log");
  const Background other({"/bin/sleep", "1000"}, host.dir() + "/other.log");
  const std::string sql = "SELECT command_line, accessible FROM processes WHERE pid = " + std::to_string(other.pid());
  EXPECT_TRUE(eventually([&] {
    return host.cli({"--output", "csv", "query", sql}).out.find("/bin/sleep 1000,1") != std::string::npos;
  })) << host.cli({"query", sql}).out
      << test::read_text(host.dir() + "/hidden.log");
  EXPECT_NE(host.cli({"audit", "tail"}).out.find("hidepid"), std::string::npos);
  Status status = status_of(procmond.pid());
  EXPECT_EQ(status["CapEff"], "0000000000080000") << "CAP_SYS_PTRACE";
  EXPECT_EQ(status["Seccomp"], "2");
}

// Nobody is root here; what one's own user may read is read all the same.
TEST(Unprivileged, SeesItsOwnProcessesWhole) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  const test::TempDir dir;
  const std::string state = dir / "state";
  ASSERT_EQ(::chmod(dir.path().c_str(), 0777), 0);
  const auto as_nobody = [](std::vector<std::string> argv) {
    std::vector<std::string> out = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
    out.insert(out.end(), argv.begin(), argv.end());
    return out;
  };
  const Background agent(as_nobody({program("daemoneye-agent"), "--foreground", "--state-dir", state}), dir / "agent");
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(state + "/broker.sock"); }));
  const Background procmond(as_nobody({program("procmond"), "--state-dir", state, "--broker", state + "/broker.sock"}),
                            dir / "procmond");
  const Background own(as_nobody({"/bin/sleep", "1000"}), dir / "own");
  const std::string sql = "SELECT executable_path, accessible FROM processes WHERE pid = " + std::to_string(own.pid());
  Ran ran;
  EXPECT_TRUE(eventually([&] {
    ran = run(as_nobody({program("daemoneye-cli"), "--state-dir", state, "--output", "csv", "query", sql}));
    return ran.out.find("/usr/bin/sleep,1") != std::string::npos;
  })) << ran.out
      << ran.err << test::read_text(dir / "procmond");
}

}  // namespace
}  // namespace de::system_test
