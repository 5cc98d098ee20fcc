// The same pid given to another process with the same program and arguments: procmond must tell them apart. Pids are
// given out in a pid namespace of the test's own, where the next one can be chosen.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "daemoneye/base/clock.h"
#include "daemons.h"
#include "json_row.h"
#include "spool/spool.h"

namespace de::system_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr pid_t kReused = 20'000;
constexpr int kMaxTries = 100;  // Threads of procmond may take the number first.

// Runs `scenario` as pid 1 of a new namespace with its own /proc and returns what it returns.
std::string in_own_pids(const std::function<std::string()>& scenario) {
  std::array<int, 2> answer{};
  if (::pipe2(answer.data(), O_CLOEXEC) != 0) return "no pipe";
  const pid_t outer = ::fork();
  if (outer == 0) {
    const bool parted =
        ::unshare(CLONE_NEWPID | CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    const pid_t init = ::fork();
    if (init != 0) {
      ::waitpid(init, nullptr, 0);
      ::_exit(0);
    }
    std::string text = "no namespace";
    if (parted && ::mount("proc", "/proc", "proc", 0, nullptr) == 0) text = scenario();
    if (::write(answer[1], text.data(), text.size()) < 0) ::_exit(1);
    ::_exit(0);  // And with pid 1 everything in the namespace.
  }
  ::close(answer[1]);
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = ::read(answer[0], part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<std::size_t>(got));
  ::close(answer[0]);
  ::waitpid(outer, nullptr, 0);
  return text;
}

pid_t start(const std::string& path) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::execl(path.c_str(), path.c_str(), "600", nullptr);
  ::_exit(127);
}

void end(pid_t pid) {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

bool start_as(pid_t wanted, const std::string& path) {
  for (int i = 0; i < kMaxTries; ++i) {
    std::ofstream("/proc/sys/kernel/ns_last_pid") << wanted - 1;
    const pid_t pid = start(path);
    if (pid == wanted) return true;
    end(pid);
  }
  return false;
}

bool is_in_spool(const std::string& state_dir, const std::string& text) {
  std::error_code ignored;  // The directory is not there yet.
  for (const auto& entry : fs::directory_iterator(state_dir + "/spool", ignored)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    if (bytes.str().find(text) != std::string::npos) return true;
  }
  return false;
}

std::string uid_of(pid_t pid) {
  std::istringstream lines(run({program("procmond"), "--once"}).out);
  for (std::string text; std::getline(lines, text);) {
    JsonRow row = parse_json_row(text);
    if (row["pid"] == std::to_string(pid)) return row["process_uid"];
  }
  return "";
}

std::string as_text(const std::string& uid) {
  std::string text;
  for (const char byte : uid) {
    std::array<char, 3> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    text += hex.data();
    if (text.size() == 8 || text.size() == 13 || text.size() == 18 || text.size() == 23) text += '-';
  }
  return text;
}

// Starts copies of sleep with this name until procmond reported one: a scan began and ended after the call.
bool wait_for_scan(const Host& host, const std::string& name) {
  const std::string path = host.demo_dir() + "/" + name;
  fs::copy_file("/bin/sleep", path);
  return eventually([&] {
    end(start(path));  // Too short to be seen, but it leaves its pid to the next one.
    const pid_t pid = start(path);
    const bool seen = eventually([&] { return is_in_spool(host.dir(), path); }, 2s);
    end(pid);
    return seen;
  });
}

// Returns "UID UID" of the two processes that had the pid, or what went wrong.
std::string reuse_one(Host& host) {
  const std::string twin = host.demo_dir() + "/twin";
  fs::copy_file("/bin/sleep", twin);
  if (!start_as(kReused, twin)) return "could not choose a pid";
  const std::string first = uid_of(kReused);
  host.start_procmond({"--set", "scan_interval_ms=1000"});
  if (!wait_for_scan(host, "before")) return "no scan: " + host.log("procmond");
  end(kReused);
  if (!start_as(kReused, twin)) return "could not use the pid again";
  const std::string second = uid_of(kReused);
  if (!wait_for_scan(host, "after")) return "no second scan: " + host.log("procmond");
  host.procmond.signal(SIGTERM);
  if (const int code = host.procmond.wait(20s); code != 0) return "procmond ended with " + std::to_string(code);
  return first + " " + second;
}

TEST(PidReuse, AnotherProcessWithTheSamePidIsAnotherProcess) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root: no namespace in which pids can be chosen";
  Host host;
  const std::string uids = in_own_pids([&host] { return reuse_one(host); });
  ASSERT_EQ(uids.size(), 73U) << uids;
  const std::string first = uids.substr(0, 36);
  const std::string second = uids.substr(37);
  EXPECT_NE(first, second);

  spool::SpoolOptions options;
  options.dir = host.dir() + "/spool";
  auto spool = spool::Spool::open(options, system_clock());
  ASSERT_TRUE(spool) << spool.error().message();
  const auto read = (*spool)->read_after(0, 100'000);
  ASSERT_TRUE(read) << read.error().message();
  std::vector<std::string> seen;
  for (const spool::Outgoing& out : *read) {
    pb::Envelope envelope;
    ASSERT_TRUE(envelope.ParseFromString(out.envelope));
    const pb::Publish& publish = envelope.publish();
    EXPECT_FALSE(publish.has_gap());
    for (const auto& event : publish.events().events())
      if (event.process().pid() == static_cast<std::uint32_t>(kReused))
        seen.push_back(pb::EventType_Name(event.event_type()) + " " + as_text(event.process().process_uid()));
  }
  const std::vector<std::string> expected = {"EVENT_TYPE_EXIT " + first, "EVENT_TYPE_START " + second};
  EXPECT_EQ(seen, expected);
}

}  // namespace
}  // namespace de::system_test
