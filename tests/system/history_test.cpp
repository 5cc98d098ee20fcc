// What was, asked for by those who come later.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>

#include "daemons.h"
#include "health_report.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

class History : public testing::Test {
 protected:
  void start() {
    host.start_agent();
    host.start_procmond();
    ASSERT_TRUE(eventually([this] { return host.is_steady(); })) << logs_of(host);
  }
  std::string cell(const std::string& sql, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--output", "csv", "query", sql});
    last_ = host.cli(more);
    std::erase(last_.out, '\r');
    const std::size_t line = last_.out.find('\n');
    return line == std::string::npos ? last_.err
                                     : last_.out.substr(line + 1, last_.out.find('\n', line + 1) - line - 1);
  }
  static void end(pid_t pid) {
    ::kill(pid, SIGKILL);
    ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  }

  Host host;
  Ran last_;
};

TEST_F(History, KnowsWhoIsGone) {
  ASSERT_NO_FATAL_FAILURE(start());
  const pid_t pid = host.run_from_tmp("de-was-here");
  const std::string here = "SELECT count(*) FROM processes WHERE pid = " + std::to_string(pid);
  ASSERT_TRUE(eventually([&] { return cell(here) == "1"; })) << last_.err << logs_of(host);
  const std::string when = cell("SELECT max(collection_time_ms) FROM processes");
  ASSERT_NO_FATAL_FAILURE(end(pid));
  ASSERT_TRUE(eventually([&] { return cell(here) == "0"; })) << last_.err;

  EXPECT_EQ(cell("SELECT count(*) >= 1 FROM processes.history WHERE pid = " + std::to_string(pid) +
                 " AND name = 'de-was-here'"),
            "1")
      << last_.err;
  EXPECT_EQ(last_.exit_code, 0) << last_.err;
  EXPECT_EQ(cell("SELECT count(*) FROM history AS h LEFT JOIN processes AS p ON p.process_uid = h.process_uid "
                 "WHERE h.name = 'de-was-here' AND p.pid IS NOT NULL"),
            "0")
      << last_.err;
  EXPECT_EQ(cell("SELECT count(*) > 0 FROM history AS h JOIN events AS e ON e.process_uid = h.process_uid "
                 "WHERE h.name = 'de-was-here' AND e.event_type = 'exit'"),
            "1")
      << last_.err;
  EXPECT_EQ(cell(here, {"--as-of", when}), "1") << last_.err;
  EXPECT_EQ(last_.exit_code, 0) << last_.err;
  EXPECT_EQ(cell("SELECT max(collection_time_ms) FROM processes", {"--as-of", when}), when);
  // Every stored scan is whole.
  EXPECT_EQ(cell("SELECT count(*) FROM (SELECT s.scan_id FROM scans AS s JOIN history AS h ON h.scan_id = s.scan_id "
                 "GROUP BY s.scan_id HAVING count(*) != s.process_count)"),
            "0")
      << last_.err;
}

TEST_F(History, AlertsAreATable) {
  ASSERT_NO_FATAL_FAILURE(start());
  host.write_rule("one.yaml",
                  "id: one\nname: One\nsql: SELECT pid, process_uid FROM processes WHERE name = 'de-alerted'\n");
  const pid_t pid = host.run_from_tmp("de-alerted");
  const std::string found =
      "SELECT count(*) FROM alerts WHERE rule_id = 'one' AND data ->> 'pid' = " + std::to_string(pid);
  ASSERT_TRUE(eventually([&] { return cell(found) == "1"; })) << last_.out << last_.err << logs_of(host);
  const std::string name =
      "SELECT p.name FROM alerts AS a JOIN processes.history AS p ON p.process_uid = a.process_uid "
      "WHERE a.rule_id = 'one' LIMIT 1";
  EXPECT_TRUE(eventually([&] { return cell(name) == "de-alerted"; })) << "the alert came before the snapshot";
}

TEST_F(History, ARuleIsTriedOnWhatWas) {
  ASSERT_NO_FATAL_FAILURE(start());
  const pid_t pid = host.run_from_tmp("de-tried");
  const std::string file = host.dir() + "/try.yaml";
  std::ofstream(file) << "id: try\nname: Try\nsql: SELECT pid, name FROM processes WHERE name = 'de-tried'\n";
  Ran tried;
  ASSERT_TRUE(eventually([&] {
    tried = host.cli({"--output", "csv", "rules", "backtest", file, "--since", "10m"});
    std::erase(tried.out, '\r');
    return contains(tried.out, "try,alerts,1\n") && !contains(tried.out, "try,matches,1\n");
  })) << tried.out
      << tried.err << logs_of(host);
  EXPECT_EQ(tried.exit_code, 0) << tried.err;
  EXPECT_TRUE(contains(tried.out, "\"\"pid\"\":" + std::to_string(pid))) << tried.out;
  EXPECT_EQ(cell("SELECT count(*) FROM alerts WHERE rule_id = 'try'"), "0") << "a trial raises no alert";

  const Ran empty = host.cli({"rules", "backtest", file, "--since", "10m", "--until", "10m"});
  EXPECT_EQ(empty.exit_code, 2);
  EXPECT_TRUE(contains(empty.err, "ends before it begins")) << empty.err;
  const Ran unknown = host.cli({"rules", "backtest", "tri"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_TRUE(contains(unknown.err, "no rule tri")) << unknown.err;
  std::ofstream(file) << "id: try\nsql: DELETE FROM processes\n";
  const Ran refused = host.cli({"rules", "backtest", file});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_TRUE(contains(refused.err, file + ":2:1: rule try: sql: ")) << refused.err;
}

TEST_F(History, ATimeWithoutSnapshotIsSaid) {
  ASSERT_NO_FATAL_FAILURE(start());
  const Ran before = host.cli({"query", "SELECT 1 FROM processes", "--as-of", "2d"});
  EXPECT_EQ(before.exit_code, 2) << before.err;
  EXPECT_TRUE(contains(before.err, "or before; the oldest is of 20")) << before.err;
  const Ran odd = host.cli({"query", "SELECT 1 FROM processes", "--as-of", "yesterday"});
  EXPECT_EQ(odd.exit_code, 2) << odd.err;
  EXPECT_TRUE(contains(odd.err, "\"yesterday\" is not a time: write 2026-11-23T05:00:00Z")) << odd.err;
  const Ran wrong = host.cli({"query", "SELECT collection_time_ns FROM processes.history"});
  EXPECT_EQ(wrong.exit_code, 2) << wrong.err;
  EXPECT_TRUE(contains(wrong.err, "collection_time_ms")) << wrong.err;
}

}  // namespace
}  // namespace de::system_test
