// What differs in how it was executed is told apart, and what a program says about itself later does not replace what
// was seen when it was executed.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>

#include "watched_load.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class Disguise : public WatchedLoad {};

// In the JSON of `namespaces`.
std::string namespace_in(const Row& row, const std::string& kind) {
  const std::string& json = row.at("namespaces");
  const std::size_t at = json.find("\"" + kind + "\":");
  return at == json.npos ? "" : json.substr(at + kind.size() + 3, json.find_first_of(",}", at) - at - kind.size() - 3);
}

std::string own_namespace(const char* kind) {
  struct stat facts {};
  return ::stat((std::string("/proc/self/ns/") + kind).c_str(), &facts) == 0 ? std::to_string(facts.st_ino) : "";
}

using Check = std::function<void(const TrueProcess&, const Row&)>;

std::map<std::string, Check> file_checks() {
  const auto state = [](const char* expected) {
    return [expected](const TrueProcess& one, const Row& exec) {
      EXPECT_EQ(exec.at("on_disk_state"), expected) << one.label;
      EXPECT_EQ(exec.at("executable_path"), one.exe) << one.label;
    };
  };
  const auto file = [](const TrueProcess& one, const Row& exec) {
    EXPECT_EQ(exec.at("on_disk_state"), "match") << one.label;
    EXPECT_EQ(exec.at("executable_path"), one.file) << one.label << ": the file, not the way to it";
  };
  return {
      {"executable in memory",
       [](const TrueProcess& one, const Row& exec) {
         EXPECT_EQ(exec.at("on_disk_state"), "memfd") << one.label;
         EXPECT_TRUE(contains(exec.at("executable_path"), "memfd:de-load")) << exec.at("executable_path");
       }},
      {"deleted before it was executed", state("deleted")},
      {"its name deleted before, but linked elsewhere", state("deleted")},
      {"replaced before it was executed", state("replaced")},
      // What happens to the file later does not change what was executed.
      {"deleted while it runs", state("match")},
      {"replaced while it runs", state("match")},
      {"deleted, but linked elsewhere", state("match")},
      {"executed through another link", state("match")},
      {"really named (deleted)", state("match")},
      {"executed through a symbolic link", file},
      {"relative path", file},
  };
}

void expect_script(const TrueProcess& one, const Row& exec) {
  EXPECT_EQ(exec.at("script_path"), one.exe) << one.label;
  EXPECT_EQ(exec.at("interpreter_path"), exec.at("executable_path")) << one.label;
  EXPECT_NE(exec.at("executable_path"), one.exe) << one.label;
}

std::map<std::string, Check> checks() {
  std::map<std::string, Check> all = file_checks();
  for (const char* label : {"script", "script of a script", "script of a shell"}) all[label] = expect_script;
  all["named like a kernel thread"] = [](const TrueProcess&, const Row& exec) {
    EXPECT_TRUE(exec.at("command_line").starts_with("[kworker")) << exec.at("command_line");
    EXPECT_TRUE(exec.at("executable_path").ends_with("/load_child"));
  };
  for (const char* label : {"moves-arguments", "overwrites-arguments", "renames-itself"})
    all[label] = [](const TrueProcess& one, const Row& exec) {
      EXPECT_EQ(exec.at("name"), "load") << one.label;
      EXPECT_TRUE(exec.at("command_line").starts_with(one.exe + " actor " + one.label + " " + one.nonce))
          << exec.at("command_line");
    };
  // It has the pid of the first one, which compare() looks at: that is what the kernel makes of it.
  all["executed by a thread that is not the first"] = [](const TrueProcess& one, const Row& exec) {
    EXPECT_EQ(exec.at("executable_path"), one.exe) << one.label;
  };
  all["in user, pid and mount namespaces of its own"] = [](const TrueProcess& one, const Row& exec) {
    for (const char* kind : {"user", "pid", "mnt"}) {
      EXPECT_FALSE(namespace_in(exec, kind).empty()) << one.label << kind;
      EXPECT_NE(namespace_in(exec, kind), own_namespace(kind)) << one.label << kind;
    }
    EXPECT_EQ(namespace_in(exec, "net"), own_namespace("net")) << one.label;
  };
  return all;
}

TEST_F(Disguise, WhatIsOddAboutAnExecutionIsToldApart) {
  START_OR_SKIP();
  const Truth truth = run_load(truth_path(), {"oddities"});
  const Seen seen = wait_for(truth);
  std::map<std::string, Check> left = checks();
  for (const auto& [id, one] : truth.processes) {
    if (one.nonce.empty()) continue;
    ASSERT_EQ(seen.execs.count(one.nonce), 1U) << one.label;
    const Row& exec = seen.execs.find(one.nonce)->second;
    ASSERT_NO_FATAL_FAILURE(compare(one, exec, seen)) << one.label;
    if (const auto check = left.find(one.label); check != left.end()) {
      check->second(one, exec);
      left.erase(check);
    }
  }
  for (const auto& [label, check] : left) ADD_FAILURE() << "never happened: " << label;
}

// What `load actor` does to its own arguments, and what becomes of the evidence. It lives for several scans.
class Liar : public WatchedLoad, public testing::WithParamInterface<const char*> {};

TEST_P(Liar, KeepsTheCommandLineItWasExecutedWith) {
  START_OR_SKIP();
  const std::string nonce = "de-load-liar-" + std::to_string(::getpid());
  const std::string truly = program("load") + " actor " + GetParam() + " " + nonce + " 0 60000";
  const Background liar({program("load"), "actor", GetParam(), nonce, "0", "60000"}, "/dev/null");
  const std::string pid = std::to_string(liar.pid());
  std::vector<Row> odd;
  EXPECT_TRUE(eventually([&] {
    odd = query_rows(host, "SELECT command_line, command_line_now, severity FROM processes.events WHERE pid = " + pid +
                               " AND event_type = 'suspicious' AND reason = 'command line rewritten'");
    return !odd.empty();
  })) << logs_of(host);
  ASSERT_EQ(odd.size(), 1U) << "once, however often it is seen";
  EXPECT_EQ(odd[0].at("command_line"), truly);
  EXPECT_EQ(odd[0].at("command_line_now"), "/usr/sbin/totally-legit --daemon");
  EXPECT_FALSE(odd[0].at("severity").empty());
  const std::vector<Row> execs =
      query_rows(host, "SELECT command_line FROM processes.events WHERE event_type = 'exec' AND pid = " + pid);
  ASSERT_EQ(execs.size(), 1U);
  EXPECT_EQ(execs[0].at("command_line"), truly);
  // And the process as it is now.
  std::vector<Row> now;
  EXPECT_TRUE(eventually([&] {
    now = query_rows(host, "SELECT command_line, command_line_now FROM processes WHERE pid = " + pid);
    return now.size() == 1 && !now[0].at("command_line_now").empty();
  }));
  ASSERT_EQ(now.size(), 1U);
  EXPECT_EQ(now[0].at("command_line"), truly);
  EXPECT_EQ(now[0].at("command_line_now"), "/usr/sbin/totally-legit --daemon");
}

INSTANTIATE_TEST_SUITE_P(Ways, Liar, testing::Values("moves-arguments", "overwrites-arguments"), [](const auto& way) {
  return std::string(way.param).substr(0, way.param[0] == 'm' ? 5 : 10);
});

TEST_F(Disguise, WhatBecomesOfTheFileIsNoticedWhileItRuns) {
  START_OR_SKIP();
  const pid_t deleted = host.run_from_tmp("deleted"), replaced = host.run_from_tmp("replaced"),
              linked = host.run_from_tmp("linked"), stays = host.run_from_tmp("stays");
  const std::map<std::string, std::string> expected = {{std::to_string(deleted), "deleted"},
                                                       {std::to_string(replaced), "replaced"},
                                                       {std::to_string(linked), "deleted"},
                                                       {std::to_string(stays), "match"}};
  const auto states = [&] {
    std::map<std::string, std::string> found;
    for (const Row& row : query_rows(
             host, "SELECT pid, on_disk_state FROM processes WHERE executable_path LIKE '" + host.demo_dir() + "/%'"))
      found[row.at("pid")] = row.at("on_disk_state");
    return found;
  };
  ASSERT_TRUE(eventually([&] { return states().size() == 4; })) << logs_of(host);
  for (const auto& [pid, state] : states()) EXPECT_EQ(state, "match");
  fs::remove(host.demo_dir() + "/deleted");
  fs::copy_file("/bin/true", host.demo_dir() + "/other");
  fs::rename(host.demo_dir() + "/other", host.demo_dir() + "/replaced");
  fs::create_hard_link(host.demo_dir() + "/linked", host.demo_dir() + "/elsewhere");
  fs::remove(host.demo_dir() + "/linked");
  EXPECT_TRUE(eventually([&] { return states() == expected; })) << testing::PrintToString(states());
}

}  // namespace
}  // namespace de::system_test
