// Rules that would take the machine with them: each is stopped, marked, and in nobody's way.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <set>
#include <sstream>

#include "health_report.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

constexpr auto kRuleBudget = 500ms;
constexpr const char* kBudgetSetting = "rules.timeout_ms=500";

struct Runaway {
  const char* id;
  const char* sql;
  const char* says;  // In its health.
};

// Numbers without an end.
#define DE_ENDLESS "c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"

constexpr Runaway kRunaways[] = {
    {"loops", "WITH RECURSIVE " DE_ENDLESS " SELECT count(*) AS pid FROM c", "longer than its limit of 500 ms"},
    {"crosses",
     "SELECT count(*) AS pid FROM processes a, processes b, processes c, processes d, processes e, processes f,"
     " processes g, processes h, processes i, processes j, processes k, processes l",
     "longer than its limit of 500 ms"},
    {"finds-nothing", "WITH RECURSIVE " DE_ENDLESS " SELECT x AS pid FROM c WHERE x < 0",
     "longer than its limit of 500 ms"},
    {"collects-text", "WITH RECURSIVE " DE_ENDLESS " SELECT group_concat(x || 'aaaaaaaaaaaaaaaa') AS name FROM c",
     "limit"},
    {"long-values",
     "WITH RECURSIVE e(n,s) AS (SELECT 1,'aaaaaaaaaaaaaaaa' UNION ALL SELECT n+1,s||s FROM e)"
     " SELECT max(s) AS name FROM e",
     "more memory than its limit of 4 MiB"},
    {"floods", "WITH RECURSIVE " DE_ENDLESS " SELECT x AS pid FROM c LIMIT 5000000", "only the first 1000"},
};

std::string rule_text(const std::string& id, const std::string& sql, int priority) {
  return "id: " + id + "\nname: " + id + "\nseverity: low\npriority: " + std::to_string(priority) + "\nsql: |\n  " +
         sql + "\n";
}

class RunawayRules : public testing::Test {
 protected:
  void start() {
    host.start_agent({"--set", kBudgetSetting, "--set", "rules.memory_mb=4"});
    host.start_procmond();
    ASSERT_TRUE(eventually([&] { return is_running_steadily(host); })) << logs_of(host);
  }
  std::string scan_id() {
    const Ran ran = host.cli({"--output", "csv", "query", "SELECT DISTINCT scan_id FROM processes"});
    return ran.exit_code == 0 || ran.exit_code == 3 ? ran.out : "";
  }
  std::string rule_line(const std::string& id) {
    std::string found;
    std::istringstream in(host.cli({"--output", "jsonl", "rules", "list"}).out);
    for (std::string line; std::getline(in, line);)
      if (contains(line, "\"id\":\"" + id + "\"")) found = line;
    return found;
  }
  Host host;
};

TEST_F(RunawayRules, EachIsStoppedAndNamed) {
  for (const Runaway& rule : kRunaways)
    host.write_rule(std::string(rule.id) + ".yaml", rule_text(rule.id, rule.sql, 1));
  start();
  for (const Runaway& rule : kRunaways) {
    EXPECT_TRUE(eventually([&] {
      const std::string line = rule_line(rule.id);
      return contains(line, "unhealthy") && contains(line, rule.says);
    })) << rule.id
        << ": " << rule_line(rule.id);
    const HealthReport health = read_health(host);
    EXPECT_EQ(health.status("rule." + std::string(rule.id)), "degraded") << health.text;
    EXPECT_TRUE(contains(health.detail("rule." + std::string(rule.id)), rule.says)) << health.text;
  }
  // Those who ask for processes learn that not every rule could be evaluated, and are answered all the same.
  const Ran asked = host.cli({"query", "SELECT count(*) FROM processes"});
  EXPECT_EQ(asked.exit_code, 3) << asked.err;
  EXPECT_TRUE(contains(asked.err, "ResourceLimit")) << asked.err;
}

TEST_F(RunawayRules, StopWithinTwiceTheirBudget) {
  // The good rule runs last. From a scan to its alert it waits for all the others.
  for (const Runaway& rule : kRunaways)
    host.write_rule(std::string(rule.id) + ".yaml", rule_text(rule.id, rule.sql, 1));
  host.write_rule("good.yaml", rule_for_demos(host) + "priority: 10\n");
  start();
  ASSERT_TRUE(eventually([&] { return contains(rule_line("run-from-demo"), "healthy"); })) << logs_of(host);
  std::chrono::milliseconds quickest = 1h;
  for (int i = 0; i < 3; ++i) {
    const std::string name = "caught" + std::to_string(i);
    const auto begin = std::chrono::steady_clock::now();
    host.run_from_tmp(name);
    ASSERT_TRUE(eventually([&] {
      const auto names = alerted_names(host);
      return std::find(names.begin(), names.end(), name) != names.end();
    })) << read_health(host).text
        << logs_of(host);
    quickest = std::min(
        quickest, std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin));
  }
  std::cout << "from start to alert, behind " << std::size(kRunaways) << " runaway rules: " << quickest.count() << " ms"
            << std::endl;
  // One round may be under way already, and a scan interval passes before the process is seen.
  const auto promised = 2 * (std::size(kRunaways) * 2 * kRuleBudget) + 1s;
  EXPECT_LT(quickest, 2 * promised);
}

TEST_F(RunawayRules, IngestGoesOn) {
  for (const Runaway& rule : kRunaways)
    host.write_rule(std::string(rule.id) + ".yaml", rule_text(rule.id, rule.sql, 1));
  start();
  std::set<std::string> seen;
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually([&] {
    if (const std::string id = scan_id(); !id.empty()) seen.insert(id);
    return seen.size() >= 6;
  })) << read_health(host).text
      << logs_of(host);
  const auto took = std::chrono::steady_clock::now() - begin;
  std::cout << "five scans took " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms"
            << std::endl;
  EXPECT_EQ(read_health(host).detail("agent"), "SteadyState");
}

TEST_F(RunawayRules, HealAfterTheyWereCorrected) {
  host.write_rule("r.yaml", rule_text("loops", kRunaways[0].sql, 1));
  start();
  ASSERT_TRUE(eventually([&] { return contains(rule_line("loops"), "unhealthy"); })) << rule_line("loops");
  host.write_rule("r.yaml", rule_text("loops", "SELECT pid FROM processes WHERE pid < 0", 1));
  EXPECT_TRUE(eventually([&] { return contains(rule_line("loops"), "\"healthy\""); })) << rule_line("loops");
  EXPECT_TRUE(eventually([&] { return host.cli({"query", "SELECT count(*) FROM processes"}).exit_code == 0; }));
}

TEST_F(RunawayRules, WhatBombsMemoryIsNotEvenAccepted) {
  host.write_rule("bomb.yaml", rule_text("bomb", "SELECT randomblob(1000000000) AS name FROM processes", 1));
  host.write_rule("zero.yaml", rule_text("zero", "SELECT zeroblob(1000000000) AS name FROM processes", 1));
  start();
  ASSERT_TRUE(eventually([&] { return contains(read_health(host).text, "randomblob"); })) << read_health(host).text;
  EXPECT_TRUE(contains(read_health(host).text, "zeroblob")) << read_health(host).text;
  EXPECT_TRUE(contains(host.log("agent"), "randomblob")) << host.log("agent");
}

}  // namespace
}  // namespace de::system_test
