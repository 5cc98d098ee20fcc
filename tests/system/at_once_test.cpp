// What the kernel reports is alerted on at once, and what happened can be asked for and followed.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include "daemons.h"
#include "kernel_support.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class AtOnce : public testing::Test {
 protected:
  void SetUp() override {
    host.write_rule("demo.yaml",
                    "id: run-from-demo\nseverity: high\nsql: |\n  SELECT pid, name, executable_path FROM processes\n"
                    "  WHERE executable_path LIKE '" +
                        host.demo_dir() + "/%'\n");
    // No second snapshot while this test runs: only events can be what raises the alert.
    host.start_agent({"--set", "scan_interval_ms=600000"});
    host.start_procmond();
    ASSERT_TRUE(host.is_steady()) << host.log("agent") << host.log("procmond");
    ASSERT_TRUE(eventually([&] { return contains(ask("SELECT count(*) > 0 AS n FROM processes"), "1"); }));
    // Something starts all the time, the console itself for one.
    const bool told =
        eventually([&] { return contains(ask("SELECT count(*) > 0 FROM events WHERE source = 'bpf'"), "1"); }, 5s);
    ASSERT_TRUE(told || !test::bpf_must_work()) << host.log("procmond");
    if (!told) GTEST_SKIP() << "the kernel does not tell procmond about starts here";
  }
  std::string ask(const std::string& sql) { return host.cli({"--output", "jsonl", "query", sql}).out; }
  Host host;
};

TEST_F(AtOnce, AStartIsAlertedOnWithoutWaitingForASnapshot) {
  host.run_from_tmp("early");
  Ran listed;
  ASSERT_TRUE(eventually(
      [&] {
        listed = host.cli({"--output", "jsonl", "alerts", "list"});
        return contains(listed.out, "early");
      },
      10s))
      << host.log("agent");
  const std::string id = listed.out.substr(listed.out.find("\"id\":\"") + 6, 36);
  const Ran shown = host.cli({"alerts", "show", id});
  EXPECT_TRUE(contains(shown.out, "exec at ")) << shown.out;
  EXPECT_FALSE(contains(shown.out, "scan_id")) << shown.out;
  // The rules may see an event a moment before it is stored.
  EXPECT_TRUE(eventually(
      [&] { return contains(ask("SELECT event_type FROM processes.events WHERE name = 'early'"), "exec"); }));
}

TEST_F(AtOnce, WatchShowsWhatStartsUntilItIsInterrupted) {
  const std::string out = host.dir() + "/watched";
  Background watch({program("daemoneye-cli"), "--state-dir", host.dir(), "watch", "processes"}, out);
  const auto text = [&] {
    std::ostringstream all;
    all << std::ifstream(out).rdbuf();
    return all.str();
  };
  int number = 0;
  // The first look only says where to begin.
  EXPECT_TRUE(eventually(
      [&] {
        host.run_from_tmp("watched" + std::to_string(++number));
        return contains(text(), host.demo_dir() + "/watched");
      },
      20s))
      << text();
  watch.signal(SIGINT);
  const int code = watch.wait(10s);
  EXPECT_TRUE(code == 0 || code == 3) << code << text();
  const Ran tree = host.cli({"tree", std::to_string(host.agent.pid())});
  EXPECT_TRUE(contains(tree.out, "daemoneye-agent")) << tree.out << tree.err;
}

}  // namespace
}  // namespace de::system_test
