// Tables that another collector brings to the agent, and columns that procmond reads when somebody asks for them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "daemoneye/base/unique_fd.h"
#include "daemoneye/broker.pb.h"
#include "daemons.h"
#include "health_report.h"
#include "hostile_peer.h"
#include "json_row.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

// Tells network.connections: pid INTEGER (the key) and remote TEXT.
class Netmond {
 public:
  explicit Netmond(const Host& host) : socket_(host.dir() + "/broker.sock") {}

  // What the agent answers: empty when it welcomed us, and monitoring has begun.
  std::string come(const std::string& table = "network.connections", pb::ColumnType type = pb::COLUMN_TYPE_TEXT) {
    const Deadline end = deadline_in(10s);
    wire_ = Wire::dial_until(socket_, end);
    pb::Envelope greeting;
    pb::Hello& hello = *greeting.mutable_hello();
    hello.set_protocol_major(1);
    hello.set_collector_id("netmond");
    hello.set_collector_type("network");
    hello.set_spool_id("spool-of-netmond");
    pb::TableDescriptor& described = *hello.mutable_schema()->add_tables();
    described.set_name(table);
    described.set_help("Who is connected with whom");
    add_column(described, "pid", pb::COLUMN_TYPE_INTEGER);
    add_column(described, "remote", type);
    described.add_key("pid");
    if (!wire_.send(frame_of(greeting), end)) return "not sent";
    while (const auto answer = wire_.receive(end)) {
      pb::Envelope message;
      if (!message.ParseFromString(*answer)) return "not a message";
      if (message.has_refusal()) return message.refusal().reason();
      if (message.has_begin()) return {};
    }
    return "hung up";
  }
  bool tell(pid_t pid, const std::string& remote) {
    pb::Envelope message;
    pb::TableRows& rows = *message.mutable_publish()->mutable_table_rows();
    message.mutable_publish()->set_topic("events.collector.netmond");
    rows.set_table("network.connections");
    rows.set_scan_id(++scans_);
    rows.set_last(true);
    rows.set_time_ms(1'767'355'200'000);
    pb::TableRow& row = *rows.add_rows();
    row.add_cells()->set_int_value(pid);
    row.add_cells()->set_string_value(remote);
    return wire_.send(frame_of(message), deadline_in(10s));
  }
  // So that it is not taken for one that stands still.
  void say_something() {
    pb::Envelope message;
    message.mutable_alive();
    (void)wire_.send(frame_of(message), deadline_in(1s));
  }
  void go() { wire_.close(); }

 private:
  static void add_column(pb::TableDescriptor& table, const std::string& name, pb::ColumnType type) {
    table.add_columns()->set_name(name);
    table.mutable_columns(table.columns_size() - 1)->set_column_type(type);
  }

  const std::string socket_;
  Wire wire_;
  std::uint64_t scans_ = 0;
};

class Tables : public testing::Test {
 protected:
  // With that interval the next snapshot is far away: what comes before it came by itself.
  void start(const std::vector<std::string>& settings = {"--set", "scan_interval_ms=600000"}) {
    host.start_agent(settings);
    host.start_procmond();
    ASSERT_TRUE(eventually([this] { return host.is_steady(); })) << logs_of(host);
  }
  std::string list() { return host.cli({"rules", "list", "--output", "csv"}).out; }
  Ran ask(const std::string& sql) { return host.cli({"query", sql, "--output", "csv"}); }

  Host host;
};

TEST_F(Tables, ARuleWaitsForItsTableAndHealsWithIt) {
  host.write_rule("net.yaml",
                  "id: net\nname: Net\nrequires: {tables: [network.connections]}\nsql: SELECT p.pid, p.name, n.remote "
                  "FROM network.connections n JOIN processes p ON p.pid = n.pid WHERE n.remote = '192.0.2.66'\n"
                  "tests:\n  match:\n    - rows: [{pid: 5, name: sh}]\n      tables: {network.connections: [{pid: 5, "
                  "remote: 192.0.2.66}]}\n");
  host.write_rule("typo.yaml", "id: typo\nname: Typo\nsql: SELECT pid FROM network.conections\n");
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_TRUE(contains(list(), "unhealthy: no collector tells network.connections now")) << list();
  EXPECT_TRUE(contains(host.cli({"rules", "list"}).err, "add requires: {tables: [network.conections]}"))
      << host.cli({"rules", "list"}).err;
  Netmond netmond(host);
  ASSERT_EQ(netmond.come(), "") << logs_of(host);
  EXPECT_TRUE(eventually([&] { return !contains(list(), "unhealthy: no collector"); })) << list();
  const Ran schema = host.cli({"schema", "network.connections", "--output", "csv"});
  EXPECT_TRUE(contains(schema.out, "network.connections,remote,TEXT")) << schema.out << schema.err;

  ASSERT_TRUE(netmond.tell(host.agent.pid(), "192.0.2.66"));
  EXPECT_TRUE(eventually([&] {
    netmond.say_something();
    return contains(ask("SELECT rule_id FROM alerts WHERE rule_id = 'net'").out, "net");
  })) << logs_of(host);
  EXPECT_TRUE(contains(ask("SELECT remote FROM network.connections").out, "192.0.2.66"));

  netmond.go();
  Ran refused;
  EXPECT_TRUE(eventually([&] {
    refused = ask("SELECT remote FROM network.connections");
    return contains(refused.err, "is told by collector netmond, which has been gone since");
  })) << refused.err;
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_TRUE(eventually([&] {
    return contains(list(), "unhealthy: no collector tells network.connections now: netmond has been gone since");
  })) << list();
  EXPECT_TRUE(contains(host.cli({"health", "table"}).out, "network.connections"));

  ASSERT_EQ(netmond.come(), "");
  EXPECT_TRUE(eventually([&] { return !contains(list(), "unhealthy: no collector"); })) << list();
}

TEST_F(Tables, NobodyElseTellsOfProcesses) {
  ASSERT_NO_FATAL_FAILURE(start());
  Netmond netmond(host);
  EXPECT_TRUE(contains(netmond.come("processes"), "table processes is procmond's")) << logs_of(host);
  EXPECT_TRUE(contains(netmond.come("processes.more"), "is procmond's"));
  EXPECT_TRUE(contains(netmond.come("alerts"), "is the agent's own"));
  EXPECT_TRUE(contains(netmond.come("network.\"x"), "its name must be two names"));
  EXPECT_TRUE(contains(netmond.come("network.x", pb::COLUMN_TYPE_UNSPECIFIED), "has no known type"));
  EXPECT_EQ(netmond.come("network.x"), "");
}

TEST_F(Tables, WhatIsReadOnDemandIsThereWhenItIsAskedFor) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_TRUE(eventually([&] { return contains(ask("SELECT count(*) FROM scans WHERE seen > 0").out, "1"); }));
  EXPECT_EQ(read_health(host).counter("reads_fd_count"), 0U) << "nobody asked";
  const std::string sql = "SELECT fd_count FROM processes WHERE pid = " + std::to_string(::getpid());
  const Ran explained = host.cli({"query", sql, "--explain", "--output", "csv"});
  EXPECT_TRUE(contains(explained.out, "on demand: fd_count of processes with pid = ")) << explained.out;
  const Ran asked = ask(sql);
  EXPECT_EQ(asked.exit_code, 0) << asked.err << logs_of(host);
  EXPECT_GT(std::atoi(asked.out.substr(asked.out.find('\n') + 1).c_str()), 2) << asked.out << logs_of(host);
  EXPECT_TRUE(contains(ask("SELECT count(fd_count) AS n FROM processes.snapshots").out, "n"));
  const std::uint64_t asked_for_all = read_health(host).counter("plans");
  EXPECT_GE(asked_for_all, 1U);
}

TEST_F(Tables, ARuleHasItsColumnsReadAndNobodyElses) {
  host.write_rule(
      "files.yaml",
      "id: files\nname: Files\nsql: SELECT pid, name, fd_count FROM processes WHERE name = 'de-many-files' AND "
      "fd_count >= 1\n");
  ASSERT_NO_FATAL_FAILURE(start({}));
  (void)host.run_from_tmp("de-many-files");
  EXPECT_TRUE(eventually([&] {
    return contains(ask("SELECT rule_id FROM alerts WHERE rule_id = 'files'").out, "files");
  })) << logs_of(host);
  EXPECT_TRUE(contains(host.cli({"health", "columns"}).out, "fd_count of processes with name = 'de-many-files'"))
      << host.cli({"health", "columns"}).out;
  const Ran others =
      ask("SELECT count(*) FROM processes.history WHERE fd_count IS NOT NULL AND name <> 'de-many-files'");
  EXPECT_TRUE(contains(others.out, "\n0")) << others.out;
  EXPECT_EQ(others.exit_code, 3) << "history has it of those snapshots only";
  EXPECT_TRUE(contains(others.err, "of those snapshots only")) << others.err;
  ASSERT_EQ(host.cli({"rules", "disable", "files"}).exit_code, 0);
  EXPECT_TRUE(eventually([&] {
    return contains(host.cli({"health", "columns.plans"}).out, "1 revoked");
  })) << host.cli({"health", "columns"}).out;
}

TEST_F(Tables, OpenFilesAreReadFromTheProcess) {
  ASSERT_NO_FATAL_FAILURE(start());
  const std::string path = host.demo_dir() + "/held-open";
  const UniqueFd held(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_TRUE(held);
  const std::string sql =
      "SELECT fd FROM processes.open_files WHERE pid = " + std::to_string(::getpid()) + " AND path = '" + path + "'";
  Ran ran;
  EXPECT_TRUE(eventually([&] { return contains((ran = ask(sql)).out, "\n" + std::to_string(held.get())); }))
      << ran.out << ran.err << logs_of(host);
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ask("SELECT fd FROM processes.open_files").exit_code, 2);
  ran = ask("SELECT key FROM processes.environments WHERE pid = " + std::to_string(::getpid()));
  EXPECT_EQ(ran.exit_code, 3) << "not collected here";
  EXPECT_TRUE(contains(ran.err, "collect.environment")) << ran.err;
}

TEST_F(Tables, ARuleLooksIntoAProcessThatHasJustBegun) {
  host.write_rule("opens.yaml",
                  "id: opens\nname: Opens\nsql: SELECT e.pid, e.name, f.fd, f.path FROM processes.events e AUTO JOIN "
                  "processes.open_files f ON f.pid = e.pid WHEN e.event_type = 'exec' AND e.name = 'de-opens' WHERE "
                  "f.fd = 0\n");
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_TRUE(contains(list(), "opens,medium,yes,event")) << list();
  const pid_t pid = host.run_from_tmp("de-opens");
  Ran ran;
  EXPECT_TRUE(eventually([&] {
    ran = ask("SELECT data FROM alerts WHERE rule_id = 'opens'");
    return contains(ran.out, std::to_string(pid));
  })) << ran.out
      << ran.err << list() << logs_of(host);
  EXPECT_TRUE(contains(ran.out, "path")) << ran.out;
  // Of what it read nothing is stored.
  ran = host.cli({"rules", "backtest", "opens", "--since", "1h"});
  EXPECT_TRUE(contains(ran.err, "it cannot be tried on the past")) << ran.out << ran.err;
  const std::string listed = ask("SELECT id FROM alerts WHERE rule_id = 'opens' LIMIT 1").out;
  const std::string id = listed.substr(listed.find('\n') + 1, 8);
  ran = host.cli({"alerts", "show", id, "--evidence"});
  EXPECT_TRUE(contains(ran.out, "is not kept: it cannot be asked again")) << ran.out << ran.err;
}

TEST_F(Tables, AMatchBeginsATrace) {
  host.write_rule("watch.yaml",
                  "id: watch\nname: Watch\nsql: SELECT pid, name FROM processes.events WHERE event_type = 'exec' AND "
                  "name = 'de-traced'\ntrace: {capture: [command_line, open_files], for: 5m}\n");
  host.write_rule(
      "deeper.yaml",
      "id: deeper\nname: Deeper\nwindow: 10m\nsql: SELECT DISTINCT pid, process_uid FROM traces WHERE kind = "
      "'open_file' AND value LIKE '%/de-secret'\ntrace: {after: [watch], capture: [command_line]}\n");
  ASSERT_NO_FATAL_FAILURE(start());
  const std::string script = host.demo_dir() + "/de-traced", secret = host.demo_dir() + "/de-secret";
  std::ofstream(secret) << "x";
  std::ofstream(script) << "#!/bin/sh\nexec 7< " << secret << "\nsleep 1\nsleep 600 &\nwait\n";
  ::chmod(script.c_str(), 0755);
  const Background traced({script, "an argument"}, "/dev/null");
  const auto eventually_has = [&](const std::string& sql, const std::string& row) {
    Ran ran;
    EXPECT_TRUE(eventually([&] { return contains((ran = ask(sql)).out, row); }))
        << sql << ran.out << ran.err << logs_of(host);
  };
  eventually_has("SELECT value FROM traces WHERE rule_id = 'watch' AND kind = 'command_line' AND pid = " +
                     std::to_string(traced.pid()),
                 "an argument");
  eventually_has("SELECT value FROM traces WHERE rule_id = 'watch' AND kind = 'command_line' AND pid <> " +
                     std::to_string(traced.pid()),
                 "sleep 600");
  eventually_has("SELECT DISTINCT value FROM traces WHERE kind = 'open_file' AND key = '7'", secret);
  eventually_has("SELECT DISTINCT depth FROM traces WHERE rule_id = 'deeper'", "2");
  EXPECT_TRUE(contains(ask("SELECT count(*) FROM alerts a JOIN traces t ON t.alert_id = a.id WHERE a.rule_id = "
                           "'watch' AND t.pid = " +
                           std::to_string(traced.pid()))
                           .out,
                       "\n"));
  const Ran health = host.cli({"health", "traces"});
  EXPECT_TRUE(contains(health.out, "begun")) << health.out;
}

}  // namespace
}  // namespace de::system_test
