// Starts that must not succeed: one clear line each, the right exit code, and nothing broken for who runs already.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "health_report.h"

namespace de::system_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr uid_t kAgentUid = 64124;  // Of a private instance that root starts.
constexpr uid_t kStranger = 65534;

bool is_root() { return ::geteuid() == 0; }

// One line on standard error, apart from log lines of what went well before.
void expect_refusal(const Ran& ran, int exit_code, const std::vector<std::string>& says) {
  EXPECT_EQ(ran.exit_code, exit_code) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(count_lines(ran.err, ""), 1U) << ran.err;
  for (const std::string& part : says) EXPECT_TRUE(contains(ran.err, part)) << part << " is not in: " << ran.err;
}

// A socket file nobody listens on.
void leave_socket(const std::string& path, uid_t owner) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << path;
  ::close(fd);
  ASSERT_EQ(::chown(path.c_str(), owner, owner), 0);
}

class Start : public testing::Test {
 protected:
  void SetUp() override {
    if (!is_root()) GTEST_SKIP() << "needs root: makes files of other users and becomes another one";
  }
  Ran agent(std::vector<std::string> more = {}) {
    return with({program("daemoneye-agent"), "--foreground", "--state-dir", host.dir()}, std::move(more));
  }
  Ran procmond(std::vector<std::string> more = {}) {
    return with({program("procmond"), "--state-dir", host.dir(), "--broker", host.dir() + "/broker.sock"},
                std::move(more));
  }
  static Ran with(std::vector<std::string> argv, std::vector<std::string> more) {
    argv.insert(argv.end(), more.begin(), more.end());
    return run(argv);
  }
  static Ran as_stranger(std::vector<std::string> argv) {
    const std::string number = std::to_string(kStranger);
    std::vector<std::string> words = {"/usr/bin/setpriv", "--reuid",      number, "--regid", number,
                                      "--clear-groups",   "/usr/bin/env", "-u",   "HOME",    "-u",
                                      "XDG_CONFIG_HOME"};
    words.insert(words.end(), argv.begin(), argv.end());
    return run(words);
  }
  void start_both() {
    host.start_agent();
    host.start_procmond();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host); })) << logs_of(host);
  }
  std::string make(const std::string& name, mode_t mode, uid_t owner = 0) {
    const std::string path = host.dir() + "/" + name;
    EXPECT_TRUE(fs::create_directory(path));
    EXPECT_EQ(::chown(path.c_str(), owner, owner), 0);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
  Host host;
};

TEST_F(Start, SecondOnesAreRefusedAndDisturbNobody) {
  start_both();
  expect_refusal(agent(), 1, {"another agent", "pid " + std::to_string(host.agent.pid())});
  expect_refusal(procmond(), 1, {"another procmond", host.dir()});
  EXPECT_TRUE(is_running_steadily(host)) << read_health(host).text << logs_of(host);
  EXPECT_EQ(host.cli({"audit", "verify"}).exit_code, 0);
}

TEST_F(Start, ASocketLeftBehindIsReplaced) {
  ASSERT_NO_FATAL_FAILURE(leave_socket(host.dir() + "/broker.sock", kAgentUid));
  ASSERT_NO_FATAL_FAILURE(leave_socket(host.dir() + "/control.sock", kAgentUid));
  start_both();
}

TEST_F(Start, WhatIsNotOursInPlaceOfASocketIsLeftAlone) {
  const std::string path = host.dir() + "/control.sock";
  ASSERT_NO_FATAL_FAILURE(leave_socket(path, kStranger));
  expect_refusal(agent(), 1, {path, "uid 65534", "remove it"});
  EXPECT_TRUE(fs::is_socket(path));
  fs::remove(path);
  std::ofstream(path) << "precious";
  expect_refusal(agent(), 1, {path, "not a socket", "remove it"});
  EXPECT_EQ(fs::file_size(path), 8U);
  EXPECT_FALSE(fs::exists(host.dir() + "/broker.sock")) << "the refused agent's other socket";
}

TEST_F(Start, DirectoriesOthersCanWriteAreRefused) {
  for (const mode_t mode : {0775U, 0777U}) {
    const std::string name = mode == 0775U ? "group" : "all";
    const std::string path = make(name, mode);
    expect_refusal(agent({"--set", "control_socket=" + path + "/c.sock"}), 1, {path, "chmod go-w"});
    expect_refusal(run({program("daemoneye-agent"), "--state-dir", path}), 1, {path, "chmod go-w"});
    expect_refusal(run({program("procmond"), "--state-dir", path, "--broker", path + "/b.sock"}), 1,
                   {path, "chmod go-w"});
    EXPECT_TRUE(fs::is_empty(path)) << "something was begun in " << path;
  }
}

TEST_F(Start, AStateDirectoryOfSomebodyElseIsRefused) {
  const std::string path = make("theirs", 0755, kStranger);
  expect_refusal(run({program("daemoneye-agent"), "--state-dir", path}), 1, {path, "uid 65534", "owner"});
  expect_refusal(run({program("procmond"), "--state-dir", path, "--broker", path + "/b.sock"}), 1,
                 {path, "uid 65534", "owner"});
  EXPECT_TRUE(fs::is_empty(path));
}

TEST_F(Start, AMissingDirectoryIsNamed) {
  const std::string path = host.dir() + "/no/such/directory";
  expect_refusal(run({program("daemoneye-agent"), "--state-dir", path}), 1, {path, "does not exist", "create that"});
  expect_refusal(run({program("procmond"), "--state-dir", path, "--broker", path + "/b.sock"}), 1,
                 {path, "does not exist", "create that"});
  expect_refusal(agent({"--set", "control_socket=" + host.dir() + "/nodir/c.sock"}), 1,
                 {host.dir() + "/nodir", "No such file"});
  const std::string file = host.dir() + "/file";
  std::ofstream(file) << "";
  expect_refusal(run({program("daemoneye-agent"), "--state-dir", file}), 1, {file, "Not a directory"});
  expect_refusal(run({program("procmond"), "--state-dir", file, "--broker", file + ".sock"}), 1,
                 {file, "Not a directory"});
}

TEST_F(Start, ASocketPathThatIsTooLongIsRefusedBeforeAnythingElse) {
  const std::string path = host.dir() + "/" + std::string(120, 'x');
  for (const Ran& ran : {run({program("daemoneye-agent"), "--state-dir", path}),
                         run({program("procmond"), "--state-dir", path, "--broker", path + "/b.sock"}),
                         agent({"--set", "broker_socket=" + path}), host.cli({"--socket", path, "health"})})
    expect_refusal(ran, 2, {"107 bytes", "socket"});
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Start, ConfigurationErrorsNameThePlaceAndTheNearestKey) {
  struct Case {
    const char* text;
    std::vector<std::string> says;
  };
  const std::string file = host.dir() + "/config.yaml";
  for (const Case& c : {
           Case{"scan_interval_ms: soon\n", {":1:19", "scan_interval_ms", "whole number", "1000 to 3600000", "soon"}},
           Case{"log: {level: info}\nscan_intervall_ms: 5000\n",
                {":2:1", "scan_intervall_ms", "\"scan_interval_ms\"?"}},
           Case{"log:\n  levl: info\n", {":2:3", "log.levl", "\"log.level\"?"}},
           Case{"log: {level: loud}\n", {":1:14", "debug, info, warn, error", "loud"}},
           Case{"log: [1, 2\n", {":2:1"}},
           Case{"- 3\n", {":1:1", "keys and values"}},
           Case{"scan_interval_ms: 1000\nscan_interval_ms: 2000\n", {":2:1", "twice"}},
       }) {
    std::ofstream(file, std::ios::trunc) << c.text;
    ::chmod(file.c_str(), 0644);
    std::vector<std::string> says = c.says;
    says.push_back(file);
    for (const char* name : {"daemoneye-agent", "procmond"}) {
      SCOPED_TRACE(std::string(name) + ": " + c.text);
      expect_refusal(run({program(name), "--state-dir", host.dir(), "--config", file}), 2, says);
      expect_refusal(run({program(name), "--state-dir", host.dir(), "--config", file, "--check-config"}), 2, says);
    }
  }
  expect_refusal(agent({"--config", host.dir() + "/none.yaml"}), 2, {"none.yaml", "No such file"});
  ::chmod(file.c_str(), 0666);
  expect_refusal(agent({"--config", file}), 2, {file, "chmod go-w"});
  ::setenv("DAEMONEYE_LOG__LEVL", "info", 1);
  // The environment may hold what is meant for somebody else: a warning.
  const Ran checked = agent({"--check-config"});
  EXPECT_EQ(checked.exit_code, 0);
  EXPECT_TRUE(contains(checked.err, "\"DAEMONEYE_LOG__LEVEL\"?")) << checked.err;
  ::unsetenv("DAEMONEYE_LOG__LEVL");
}

struct Refused {
  const char* sql;
  std::vector<std::string> says;
};

const std::vector<Refused>& refused_sql() {
  static const std::vector<Refused> kRefused = {
      {"SELECT nmae FROM processes", {"nmae", "\"name\"?"}},
      {"SELECT p.pidd FROM processes p", {"p.pidd", "\"pid\"?"}},
      {"SELECT * FROM proceses", {"proceses", "\"processes\"?"}},
      {"SELECT lowr(name) FROM processes", {"lowr", "\"lower\"?"}},
      {"DELETE FROM processes", {"DELETE", "only read"}},
      {"PRAGMA table_info(processes)", {"PRAGMA", "only read"}},
      {"ATTACH 'x.db' AS y", {"ATTACH", "only read"}},
      {"VACUUM INTO '/tmp/x'", {"VACUUM", "only read"}},
      {"SELECT load_extension('x')", {"load_extension()", "not allowed"}},
      {"SELECT randomblob(100)", {"randomblob()", "not allowed"}},
      {"SELECT * FROM sqlite_master", {"sqlite_master", "schema"}},
      {"SELECT 1; SELECT 2", {"one statement"}},
      {"SELEC 1", {"SELEC", "syntax error"}},
  };
  return kRefused;
}

TEST_F(Start, RefusedSqlNamesConstructAndReason) {
  start_both();
  for (const Refused& c : refused_sql()) {
    SCOPED_TRACE(c.sql);
    expect_refusal(host.cli({"query", c.sql}), 2, c.says);
  }
}

TEST_F(Start, RefusedRulesNameFilePlaceAndReason) {
  host.write_rule("good.yaml", rule_for_demos(host));
  for (std::size_t i = 0; i < refused_sql().size(); ++i) {
    const std::string id = "r" + std::to_string(i);
    host.write_rule(id + ".yaml", "id: " + id + "\nname: x\nseverity: low\nsql: |\n  " + refused_sql()[i].sql + "\n");
  }
  host.write_rule("key.yaml", "id: k\nname: x\nseverty: low\nsql: SELECT 1\n");
  host.write_rule("yaml.yaml", "id: k\nname: [x\n");
  start_both();
  const HealthReport health = read_health(host);
  std::vector<std::string> errors;
  for (auto [line, end] = health.lines.equal_range("rules.file"); line != end; ++line)
    errors.push_back(line->second.detail);
  const auto has = [&](const std::string& file, const std::vector<std::string>& says) {
    return std::ranges::any_of(errors, [&](const std::string& error) {
      return contains(error, "/" + file + ":") &&
             std::ranges::all_of(says, [&](const std::string& part) { return contains(error, part); });
    });
  };
  for (std::size_t i = 0; i < refused_sql().size(); ++i)
    EXPECT_TRUE(has("r" + std::to_string(i) + ".yaml", refused_sql()[i].says)) << refused_sql()[i].sql << "\n"
                                                                               << health.text;
  EXPECT_TRUE(has("key.yaml", {":3:1", "severty", "\"severity\"?"})) << health.text;
  EXPECT_TRUE(has("yaml.yaml", {})) << health.text;
  // The log has the same lines, and the good rule works.
  EXPECT_EQ(count_lines(host.log("agent"), "rule file refused"), refused_sql().size() + 2) << host.log("agent");
  host.run_from_tmp("caught");
  EXPECT_TRUE(eventually([&] { return alerted_names(host).size() == 1; })) << logs_of(host);
}

TEST_F(Start, AStrangerIsToldWhoMayAsk) {
  start_both();
  const std::string cli = program("daemoneye-cli");
  for (const auto& words : {std::vector<std::string>{"health"}, {"query", "SELECT 1"}, {"alerts", "list"}}) {
    std::vector<std::string> argv = {cli, "--state-dir", host.dir()};
    argv.insert(argv.end(), words.begin(), words.end());
    expect_refusal(as_stranger(argv), 5, {host.dir() + "/control.sock", "not permitted", "group"});
  }
  expect_refusal(as_stranger({cli, "--state-dir", host.dir(), "audit", "verify"}), 5, {"ledger", "group"});
  // Nor may they start a second instance on it.
  expect_refusal(as_stranger({program("daemoneye-agent"), "--state-dir", host.dir()}), 1,
                 {host.dir(), "belongs to uid " + std::to_string(kAgentUid)});
  expect_refusal(as_stranger({program("procmond"), "--state-dir", host.dir(), "--broker", host.dir() + "/broker.sock"}),
                 1, {host.dir(), "belongs to uid " + std::to_string(kAgentUid)});
  EXPECT_TRUE(is_running_steadily(host));
}

}  // namespace
}  // namespace de::system_test
