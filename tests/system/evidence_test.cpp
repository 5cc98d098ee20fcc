// From an alert back to what it rests on, and a condition that stands, with the real programs.
#include <gtest/gtest.h>

#include "daemons.h"
#include "health_report.h"
#include "json_row.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class EvidenceOf : public testing::Test {
 protected:
  void start() {
    host.start_agent();
    host.start_procmond();
    ASSERT_TRUE(eventually([this] { return host.is_steady(); })) << logs_of(host);
  }
  // field -> value of `alerts show --evidence` for the newest alert of the rule; empty when there is none.
  JsonRow show(const std::string& rule) {
    JsonRow out;
    const Ran listed = host.cli({"query", "SELECT id FROM alerts WHERE rule_id = '" + rule + "'", "--output", "jsonl"});
    const std::string id = parse_json_row(listed.out.substr(0, listed.out.find('\n')))["id"];
    if (id.empty()) return out;
    const Ran ran = host.cli({"alerts", "show", id, "--evidence", "--output", "jsonl"});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    for (std::size_t at = 0; at < ran.out.size();) {
      const std::size_t end = std::min(ran.out.find('\n', at), ran.out.size());
      JsonRow row = parse_json_row(std::string_view(ran.out).substr(at, end - at));
      out[row["field"]] = row["value"];
      at = end + 1;
    }
    return out;
  }

  Host host;
};

TEST_F(EvidenceOf, AnAlertIsTheEventItWasRaisedAbout) {
  host.write_rule("one.yaml",
                  "id: one\nname: One\nsql: SELECT pid, name, command_line FROM processes.events WHERE event_type = "
                  "'exec' AND name = 'de-evidence'\n");
  ASSERT_NO_FATAL_FAILURE(start());
  const pid_t pid = host.run_from_tmp("de-evidence");
  JsonRow shown;
  ASSERT_TRUE(eventually([&] { return !(shown = show("one")).empty(); })) << logs_of(host);
  EXPECT_EQ(shown["evidence"], "the rule, asked again, has the same match");
  EXPECT_EQ(shown["evidence.pid"], std::to_string(pid));
  EXPECT_EQ(shown["evidence.event_type"], "exec");
  EXPECT_EQ(shown["evidence.executable_path"], host.demo_dir() + "/de-evidence");
  EXPECT_FALSE(shown["correlation_id"].empty());
  // The statement is one that a person can ask.
  const Ran again = host.cli({"query", shown["evidence.sql"], "--output", "jsonl"});
  EXPECT_EQ(parse_json_row(again.out.substr(0, again.out.find('\n')))["sequence"], shown["evidence.sequence"])
      << again.out << again.err;
}

TEST_F(EvidenceOf, ACountThatStandsIsOneAlert) {
  host.write_rule(
      "many.yaml",
      "id: many\nname: Many\ndedup: {seconds: 0}\nsql: SELECT name, count(*) AS n FROM processes WHERE name "
      "LIKE 'de-many%' GROUP BY name HAVING count(*) >= 1\n");
  ASSERT_NO_FATAL_FAILURE(start());
  (void)host.run_from_tmp("de-many");
  ASSERT_TRUE(eventually([&] { return show("many")["count"] >= "4"; })) << logs_of(host);
  const Ran counted = host.cli({"query", "SELECT count(*) AS n FROM alerts WHERE rule_id = 'many'", "--output", "csv"});
  EXPECT_TRUE(contains(counted.out, "\n1\r\n") || contains(counted.out, "\n1\n")) << counted.out;
  EXPECT_EQ(show("many")["evidence"], "the rule, asked again, has the same match");
}

TEST_F(EvidenceOf, ARuleThatCanNeverMatchIsNamed) {
  host.write_rule("never.yaml",
                  "id: never\nname: Never\nsql: SELECT pid FROM processes WHERE environment LIKE '%X=%'\n");
  ASSERT_NO_FATAL_FAILURE(start());
  Ran listed;
  EXPECT_TRUE(eventually([&] {
    listed = host.cli({"rules", "list", "--output", "csv"});
    return contains(listed.out, "can never match: it needs the environment of processes");
  })) << listed.out
      << logs_of(host);
  EXPECT_TRUE(contains(host.cli({"health", "rules"}).out, "1 can never match"));
  EXPECT_TRUE(contains(host.log("agent"), "a rule can never match on this host")) << host.log("agent");
}

}  // namespace
}  // namespace de::system_test
