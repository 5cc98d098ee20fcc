// Rules that an operator switches by command.
#include <gtest/gtest.h>
#include <signal.h>

#include "daemons.h"
#include "health_report.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class RuleSwitch : public testing::Test {
 protected:
  RuleSwitch() {
    for (const std::string name : {"one", "two"})
      host.write_rule(name + ".yaml", "id: " + name + "\nname: Rule\ndedup: {keys: [pid], seconds: 0}\n" +
                                          "sql: SELECT pid FROM processes WHERE name LIKE 'de-switch%'\n");
  }
  void start() {
    host.start_agent();
    host.start_procmond();
    ASSERT_TRUE(eventually([this] { return host.is_steady(); })) << logs_of(host);
  }
  void restart_agent() {
    host.agent.signal(SIGTERM);
    ASSERT_EQ(host.agent.wait(20s), 0) << logs_of(host);
    host.start_agent();
    ASSERT_TRUE(eventually([this] { return host.is_steady(); })) << logs_of(host);
  }
  std::string answer(std::vector<std::string> words) {
    words.insert(words.begin(), {"--output", "csv"});
    last_ = host.cli(words);
    std::erase(last_.out, '\r');
    return last_.out + last_.err;
  }
  bool raises(const std::string& rule) {
    const std::string since = answer({"query", "SELECT coalesce(max(sequence), 0) FROM alerts"});
    const std::string sql = "SELECT count(*) FROM alerts WHERE rule_id = '" + rule + "' AND sequence > " +
                            since.substr(since.find('\n') + 1);
    (void)host.run_from_tmp("de-switch" + std::to_string(++runs_));
    return eventually([&] { return !contains(answer({"query", sql}), "\n0\n"); }, 5s);
  }
  bool is_in_ledger(const std::string& part) {
    return eventually([&] { return contains(host.cli({"audit", "tail", "100", "--output", "jsonl"}).out, part); }, 10s);
  }

  Host host;
  Ran last_;
  int runs_ = 0;
};

TEST_F(RuleSwitch, HoldsUntilItIsSwitchedBack) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_TRUE(raises("one")) << logs_of(host);
  EXPECT_TRUE(contains(answer({"rules", "disable", "one"}), "one,off,")) << last_.out << last_.err;
  EXPECT_EQ(last_.exit_code, 0);
  EXPECT_TRUE(raises("two"));
  EXPECT_FALSE(raises("one"));
  EXPECT_TRUE(contains(answer({"rules", "list"}), "one,medium,\"no, by command\"")) << last_.out;
  EXPECT_TRUE(is_in_ledger("rules.disabled")) << logs_of(host);
  EXPECT_TRUE(eventually([&] { return contains(answer({"alerts", "list"}), "The rules were changed"); })) << last_.out;

  ASSERT_NO_FATAL_FAILURE(restart_agent());
  EXPECT_FALSE(raises("one"));
  EXPECT_TRUE(contains(answer({"health", "rules"}), "1 switched by command")) << last_.out;
  EXPECT_TRUE(contains(answer({"rules", "enable", "one"}), "one,on,"));
  EXPECT_TRUE(raises("one")) << logs_of(host);
}

TEST_F(RuleSwitch, ADeletedRuleIsGoneButItsFileIsNot) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_TRUE(contains(answer({"rules", "delete", "one", "two"}), "two,deleted,")) << last_.out << last_.err;
  EXPECT_FALSE(contains(answer({"rules", "list"}), "one,"));
  answer({"rules", "show", "one"});
  EXPECT_EQ(last_.exit_code, 2);
  EXPECT_TRUE(contains(last_.err, "`rules enable one` brings it back")) << last_.err;
  ASSERT_NO_FATAL_FAILURE(restart_agent());
  EXPECT_TRUE(contains(answer({"health", "rules"}), "2 deleted by command")) << last_.out;
  answer({"rules", "enable", "one"});
  EXPECT_EQ(last_.exit_code, 0) << last_.err;
  EXPECT_TRUE(raises("one")) << logs_of(host);
  answer({"rules", "disable", "oen"});
  EXPECT_EQ(last_.exit_code, 2);
  EXPECT_TRUE(contains(last_.err, "did you mean")) << last_.err;
}

}  // namespace
}  // namespace de::system_test
