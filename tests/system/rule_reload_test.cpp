// Rules that change all the time while processes are executed: every process that a rule is about has one alert of it,
// whichever generation of the rules looked at it.
//
// DE_RELOADS, DE_RELOAD_SECONDS, DE_RELOAD_RATE and DE_RELOAD_HITS make it larger; bench/rule_reload is 1,000 reloads
// during 1,000 executions a second.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <map>
#include <set>

#include "watched_load.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

// After `mark` in one line of JSON.
std::string number_after(const std::string& line, const std::string& mark) {
  const std::size_t at = line.find(mark);
  if (at == line.npos) return {};
  const std::size_t begin = at + mark.size();
  return line.substr(begin, line.find_first_not_of("0123456789", begin) - begin);
}

struct Delivered {
  std::map<std::string, std::map<std::string, int>> times;  // By rule and nonce.
  std::set<std::string> generations;                        // That raised any of them.
};

class RuleReload : public WatchedLoad {
 protected:
  void SetUp() override {
    write_watching_rules(0);
    for (int i = 0; i < 20; ++i) write_bystander(i, 0);
  }

  // What is replaced says the same in other words, and is another rule to whoever compares them.
  void write_watching_rules(int version) {
    const std::string words = "\nname: Version " + std::to_string(version) + "\nseverity: high\n";
    const std::string about = "command_line LIKE '%-hit %' AND " + std::to_string(version) + " >= 0\n";
    // Nothing is folded: an event that two generations look at has two alerts.
    host.write_rule("once.yaml", "id: once" + words + "on: event\ndedup: {keys: [pid], seconds: 0}\nsql: |\n" +
                                     "  SELECT pid, process_uid, command_line FROM processes.events\n" +
                                     "  WHERE event_type = 'exec' AND " + about);
    host.write_rule("both.yaml", "id: both" + words + "dedup: {keys: [process_uid], seconds: 86400}\nsql: |\n" +
                                     "  SELECT pid, process_uid, name, command_line FROM processes\n" +
                                     "  WHERE name = 'load_child' AND " + about);
  }
  void write_bystander(int number, int version) {
    const std::string id = "bystander-" + std::to_string(number);
    host.write_rule(id + ".yaml", "id: " + id + "\nsql: SELECT pid FROM processes WHERE name = 'nobody-" +
                                      std::to_string(version) + "'\n");
  }
  std::uint64_t generation() {
    const std::string digits = number_after(read_health(host).detail("rules"), "generation ");
    return std::strtoull(digits.c_str(), nullptr, 10);
  }
  // By a command, because files are looked at once in a second only.
  void switch_bystander(int version) {
    const Ran ran = host.cli({"rules", version % 2 == 0 ? "enable" : "disable", "bystander-0"});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
  }
  Delivered delivered() const {
    Delivered out;
    std::ifstream file(host.dir() + "/alerts.jsonl");
    for (std::string line; std::getline(file, line);) {
      const std::size_t at = line.find("de-load-"), end = line.find("-hit", at);
      if (at == line.npos || end == line.npos) continue;
      for (const std::string rule : {"once", "both"})
        if (contains(line, "\"rule_id\":\"" + rule + "\"")) ++out.times[rule][line.substr(at, end + 4 - at)];
      out.generations.insert(number_after(line, "\"rule_generation\":"));
    }
    return out;
  }
  static std::size_t count(const Delivered& delivered, const std::string& rule) {
    const auto found = delivered.times.find(rule);
    return found == delivered.times.end() ? 0 : found->second.size();
  }
};

TEST_F(RuleReload, LosesNoAlertAndDoublesNone) {
  START_OR_SKIP();
  const std::uint64_t reloads = number_from("DE_RELOADS", 60), hits = number_from("DE_RELOAD_HITS", 600);
  const std::string seconds = size_from("DE_RELOAD_SECONDS", "15");
  const std::uint64_t first = generation();
  ASSERT_GT(first, 0U);
  Load load(truth_path(), {"steady", "--hits", std::to_string(hits), "--seconds", seconds, "--rate",
                           size_from("DE_RELOAD_RATE", "400")});
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::strtoull(seconds.c_str(), nullptr, 10));
  int version = 0;
  while (std::chrono::steady_clock::now() < end) {
    ++version;
    write_watching_rules(version);
    write_bystander(version % 20, version);
    switch_bystander(version);
  }
  const Truth truth = load.finish();
  const std::uint64_t generations = generation() - first;
  std::cout << truth.summary << version << " times replaced and switched, " << generations << " generations"
            << std::endl;
  EXPECT_GE(generations, reloads);
  // Those of the files come on top of those of the switches.
  EXPECT_GT(generations, static_cast<std::uint64_t>(version));

  const auto all_are_there = [&] {
    const Delivered now = delivered();
    return count(now, "once") >= hits && count(now, "both") >= hits;
  };
  EXPECT_TRUE(eventually(all_are_there, 60s)) << read_health(host).text << logs_of(host);
  // Two snapshots more, which find nothing new.
  const auto scans = [&] { return read_health(host).number("ingest.scans", "committed").value_or(0); };
  const std::uint64_t until = scans() + 2;
  ASSERT_TRUE(eventually([&] { return scans() >= until; }));
  const Delivered found = delivered();
  std::size_t missed = 0, more_than_once = 0, expected = 0;
  for (const auto& [id, one] : truth.processes) {
    if (one.label != "hit") continue;
    for (const std::string rule : {"once", "both"}) {
      ++expected;
      const auto& times = found.times.at(rule);
      const auto alert = times.find(one.nonce);
      if (alert == times.end()) ++missed;
      if (alert != times.end() && alert->second != 1) ++more_than_once;
    }
  }
  EXPECT_EQ(expected, 2 * hits);
  EXPECT_EQ(missed, 0U) << read_health(host).text << logs_of(host);
  EXPECT_EQ(more_than_once, 0U);
  EXPECT_GE(found.generations.size(), std::min<std::size_t>(10, generations / 2)) << "one generation did all of it";
  std::cout << expected << " alerts of " << found.generations.size() << " generations: " << missed << " missed, "
            << more_than_once << " more than once" << std::endl;
}

}  // namespace
}  // namespace de::system_test
