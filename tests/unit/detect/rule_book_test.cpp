#include "detect/rule_book.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace de::detect {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

class RuleBookTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/de-rules-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    dir = path;
  }
  void TearDown() override { fs::remove_all(dir); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(dir + "/" + name) << text; }
  void write_rule(const std::string& name, const std::string& id, const std::string& sql = "SELECT pid FROM processes",
                  int priority = 5) const {
    write(name, "id: " + id + "\npriority: " + std::to_string(priority) + "\nsql: " + sql + "\n");
  }
  std::unique_ptr<RuleBook> open() const { return open({dir}); }
  static std::unique_ptr<RuleBook> open(std::vector<std::string> dirs) {
    auto book = RuleBook::open(std::move(dirs), system_clock());
    EXPECT_TRUE(book) << book.error().message();
    return std::move(*book);
  }
  static std::vector<std::string> ids(const RuleBook& book) {
    std::vector<std::string> out;
    for (const auto& rule : book.snapshot()->rules) out.push_back(rule->id);
    return out;
  }
  static bool reload(RuleBook& book) {
    const auto changed = book.reload();
    EXPECT_TRUE(changed) << changed.error().message();
    return changed && *changed;
  }

  std::string dir;
};

TEST_F(RuleBookTest, LoadsYamlAndSqlByPriorityThenId) {
  write_rule("a.yaml", "late", "SELECT 1", 9);
  write_rule("b.yml", "early", "SELECT 1", 1);
  write("c.sql", "-- priority: 9\nSELECT pid FROM processes\n");
  write("ignored.txt", "id: [");
  write(".hidden.yaml", "id: [");
  fs::create_directory(dir + "/sub.yaml");
  const auto book = open();
  EXPECT_THAT(ids(*book), ElementsAre("early", "c", "late"));
  EXPECT_TRUE(book->snapshot()->errors.empty());
  EXPECT_EQ(book->snapshot()->generation, 1U);
  EXPECT_EQ(book->snapshot()->find("late")->place.file, dir + "/a.yaml");
  EXPECT_EQ(book->snapshot()->find("nosuch"), nullptr);
}

TEST_F(RuleBookTest, MissingDirectoryIsEmptyUntilItAppears) {
  const auto book = open({dir + "/later"});
  EXPECT_TRUE(ids(*book).empty());
  EXPECT_TRUE(book->snapshot()->errors.empty());
  fs::create_directory(dir + "/later");
  write_rule("later/a.yaml", "a");
  EXPECT_TRUE(reload(*book));
  EXPECT_THAT(ids(*book), ElementsAre("a"));
}

TEST_F(RuleBookTest, NothingChangedIsNoNewGeneration) {
  write_rule("a.yaml", "a");
  const auto book = open();
  const auto before = book->snapshot();
  EXPECT_FALSE(reload(*book));
  fs::last_write_time(dir + "/a.yaml", fs::file_time_type::clock::now());
  EXPECT_FALSE(reload(*book)) << "touched, but the same content";
  EXPECT_EQ(book->snapshot(), before);
}

TEST_F(RuleBookTest, TakesOverChangesAdditionsAndRemovals) {
  write_rule("a.yaml", "a");
  const auto book = open();
  const auto old = book->snapshot();
  write_rule("a.yaml", "a", "SELECT 2");
  EXPECT_TRUE(reload(*book));
  EXPECT_EQ(book->snapshot()->find("a")->sql, "SELECT 2");
  EXPECT_EQ(book->snapshot()->generation, 2U);
  EXPECT_EQ(old->find("a")->sql, "SELECT pid FROM processes") << "a snapshot does not change";
  write_rule("b.yaml", "b");
  EXPECT_TRUE(reload(*book));
  EXPECT_THAT(ids(*book), ElementsAre("a", "b"));
  fs::remove(dir + "/a.yaml");
  EXPECT_TRUE(reload(*book));
  EXPECT_THAT(ids(*book), ElementsAre("b"));
}

TEST_F(RuleBookTest, SeesAChangeOfTheSameSizeAndTime) {
  write_rule("a.yaml", "a", "SELECT 1");
  const auto time = fs::last_write_time(dir + "/a.yaml");
  const auto book = open();
  write_rule("a.yaml", "a", "SELECT 2");
  fs::last_write_time(dir + "/a.yaml", time);
  EXPECT_TRUE(reload(*book));
  EXPECT_EQ(book->snapshot()->find("a")->sql, "SELECT 2");
}

TEST_F(RuleBookTest, BrokenFileKeepsTheLastGoodVersion) {
  write_rule("a.yaml", "a");
  const auto book = open();
  write("a.yaml", "id: a\nsql: [");
  EXPECT_TRUE(reload(*book));
  EXPECT_THAT(ids(*book), ElementsAre("a"));
  ASSERT_EQ(book->snapshot()->errors.size(), 1U);
  EXPECT_TRUE(book->snapshot()->errors[0].last_good_kept);
  EXPECT_THAT(book->snapshot()->errors[0].message, HasSubstr(dir + "/a.yaml:"));
  EXPECT_FALSE(reload(*book));
  write_rule("a.yaml", "a", "SELECT 3");
  EXPECT_TRUE(reload(*book));
  EXPECT_TRUE(book->snapshot()->errors.empty());
  EXPECT_EQ(book->snapshot()->find("a")->sql, "SELECT 3");
}

TEST_F(RuleBookTest, RefusedSqlIsABrokenFile) {
  write_rule("a.yaml", "a");
  write_rule("b.yaml", "b", "DROP TABLE de_rows");
  const auto book = open();
  EXPECT_THAT(ids(*book), ElementsAre("a"));
  ASSERT_EQ(book->snapshot()->errors.size(), 1U);
  EXPECT_FALSE(book->snapshot()->errors[0].last_good_kept);
  EXPECT_EQ(book->snapshot()->errors[0].message,
            dir + "/b.yaml:3:1: rule b: sql: DROP is not allowed: queries only read");
  write_rule("a.yaml", "a", "SELECT namee FROM processes");
  EXPECT_TRUE(reload(*book));
  EXPECT_EQ(book->snapshot()->find("a")->sql, "SELECT pid FROM processes");
}

TEST_F(RuleBookTest, OneBadRuleRejectsItsWholePack) {
  write("p.yaml", "- {id: good, sql: SELECT 1}\n- {id: bad, sql: SELECT nosuch}\n");
  const auto book = open();
  EXPECT_TRUE(ids(*book).empty());
  EXPECT_THAT(book->snapshot()->errors[0].message, HasSubstr("p.yaml:2:"));
}

TEST_F(RuleBookTest, FirstOwnerOfAnIdStays) {
  write_rule("a.yaml", "same", "SELECT 1");
  write_rule("b.yaml", "same", "SELECT 2");
  const auto book = open();
  EXPECT_THAT(ids(*book), ElementsAre("same"));
  EXPECT_EQ(book->snapshot()->find("same")->sql, "SELECT 1");
  ASSERT_EQ(book->snapshot()->errors.size(), 1U);
  EXPECT_THAT(book->snapshot()->errors[0].message, HasSubstr("rule same is already in " + dir + "/a.yaml"));
  fs::remove(dir + "/a.yaml");
  EXPECT_TRUE(reload(*book));
  EXPECT_EQ(book->snapshot()->find("same")->sql, "SELECT 2");
  EXPECT_TRUE(book->snapshot()->errors.empty());
}

TEST_F(RuleBookTest, EarlierDirectoriesWin) {
  fs::create_directory(dir + "/z");
  fs::create_directory(dir + "/a");
  write_rule("z/r.yaml", "r", "SELECT 1");
  write_rule("a/r.yaml", "r", "SELECT 2");
  EXPECT_EQ(open({dir + "/z", dir + "/a"})->snapshot()->find("r")->sql, "SELECT 1");
}

TEST_F(RuleBookTest, FollowsASwappedLinkToADirectory) {
  fs::create_directory(dir + "/v1");
  fs::create_directory(dir + "/v2");
  write_rule("v1/r.yaml", "r", "SELECT 1");
  write_rule("v2/r.yaml", "r", "SELECT 2");
  fs::create_directory_symlink("v1", dir + "/current");
  const auto book = open({dir + "/current"});
  EXPECT_EQ(book->snapshot()->find("r")->sql, "SELECT 1");
  fs::create_directory_symlink("v2", dir + "/next");
  fs::rename(dir + "/next", dir + "/current");
  EXPECT_TRUE(reload(*book));
  EXPECT_EQ(book->snapshot()->find("r")->sql, "SELECT 2");
}

TEST_F(RuleBookTest, OddFilesAreNamedAndDoNotBlock) {
  ASSERT_EQ(::mkfifo((dir + "/pipe.yaml").c_str(), 0600), 0);
  fs::create_symlink("nowhere", dir + "/dangling.yaml");
  write("large.yaml", std::string(kMaxRuleFileBytes + 1, '#'));
  write_rule("good.yaml", "good");
  const auto book = open();
  EXPECT_THAT(ids(*book), ElementsAre("good"));
  ASSERT_EQ(book->snapshot()->errors.size(), 3U);
  EXPECT_THAT(book->snapshot()->errors[0].message, HasSubstr("dangling.yaml: No such file"));
  EXPECT_THAT(book->snapshot()->errors[1].message, HasSubstr("large.yaml: larger than 1 MiB"));
  EXPECT_THAT(book->snapshot()->errors[2].message, HasSubstr("pipe.yaml: not a regular file"));
  EXPECT_FALSE(reload(*book));
}

TEST_F(RuleBookTest, DirectoryThatBreaksKeepsItsRules) {
  fs::create_directory(dir + "/d");
  write_rule("d/a.yaml", "a");
  const auto book = open({dir + "/d"});
  fs::rename(dir + "/d", dir + "/moved");
  write("d", "not a directory");
  EXPECT_TRUE(reload(*book));
  EXPECT_THAT(ids(*book), ElementsAre("a"));
  ASSERT_EQ(book->snapshot()->errors.size(), 1U);
  EXPECT_TRUE(book->snapshot()->errors[0].last_good_kept);
  EXPECT_FALSE(reload(*book));
  fs::remove(dir + "/d");
  fs::rename(dir + "/moved", dir + "/d");
  EXPECT_TRUE(reload(*book));
  EXPECT_TRUE(book->snapshot()->errors.empty());
}

TEST_F(RuleBookTest, NumberOfRulesIsBounded) {
  for (int file = 0; file < 3; ++file) {
    std::string pack;
    for (int i = 0; i < 1'900; ++i)
      pack += "- {id: r" + std::to_string(file) + "-" + std::to_string(i) + ", sql: SELECT 1}\n";
    write("p" + std::to_string(file) + ".yaml", pack);
  }
  const auto book = open();
  EXPECT_EQ(book->snapshot()->rules.size(), kMaxRules);
  ASSERT_EQ(book->snapshot()->errors.size(), 1U);
  EXPECT_THAT(book->snapshot()->errors[0].message, HasSubstr("more than 5000 rules"));
}

TEST_F(RuleBookTest, SwitchesOutrankFiles) {
  write_rule("a.yaml", "a");
  write_rule("b.yaml", "b");
  write("c.yaml", "id: c\nenabled: false\nsql: SELECT pid FROM processes\n");
  const auto book = open();
  const auto before = book->snapshot();
  book->set_switches(
      {{"a", RuleSwitch::Off}, {"b", RuleSwitch::Deleted}, {"c", RuleSwitch::On}, {"gone", RuleSwitch::Off}});
  const auto set = book->snapshot();
  EXPECT_GT(set->generation, before->generation);
  EXPECT_THAT(ids(*book), ElementsAre("a", "c"));
  EXPECT_THAT(set->deleted, ElementsAre("b"));
  EXPECT_FALSE(set->find("a")->enabled);
  EXPECT_TRUE(set->find("a")->switched);
  EXPECT_NE(set->find("a")->digest, before->find("a")->digest);
  EXPECT_TRUE(set->find("c")->enabled);
  EXPECT_TRUE(set->find("c")->switched);
  // What changes in the file does not change what was said of it.
  write_rule("b.yaml", "b", "SELECT name FROM processes");
  EXPECT_TRUE(reload(*book));
  EXPECT_THAT(ids(*book), ElementsAre("a", "c"));
  book->set_switches({{"a", RuleSwitch::On}});
  EXPECT_THAT(ids(*book), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(book->snapshot()->find("a")->enabled);
  EXPECT_FALSE(book->snapshot()->find("a")->switched) << "that is what its file says";
  EXPECT_FALSE(book->snapshot()->find("c")->enabled);
}

TEST(RuleSwitches, OutliveTheProgramAsText) {
  const RuleSwitches switches = {{"a", RuleSwitch::On}, {"b.c", RuleSwitch::Off}, {"d-e", RuleSwitch::Deleted}};
  EXPECT_EQ(to_text(switches), "on a\noff b.c\ndeleted d-e\n");
  EXPECT_EQ(*parse_switches(to_text(switches)), switches);
  EXPECT_TRUE(parse_switches("")->empty());
  for (const std::string_view text : {"on", "on ", "on \n", "on a", "up a\n", "\n", "on a\n\n", " a\n"}) {
    const auto parsed = parse_switches(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), Errc::Corrupt);
  }
}

TEST_F(RuleBookTest, WarnsOfCartesianProducts) {
  write_rule("a.yaml", "a", "SELECT x.pid FROM processes x, processes y WHERE x.cwd <> y.cwd");
  EXPECT_THAT(open()->snapshot()->warnings, ElementsAre(HasSubstr("rule a: every row of processes is combined")));
}

TEST(CheckRule, LooksAtKeysAndRequirements) {
  auto sessions = CheckSessions::create(system_clock());
  ASSERT_TRUE(sessions);
  const auto check = [&](const std::string& more) {
    auto rules = parse_rule_text("r.yaml", "id: a\nsql: SELECT pid, name AS who FROM processes\n" + more);
    EXPECT_TRUE(rules) << rules.error().message();
    const auto checked = check_rule(*sessions, rules->front());
    return checked ? "good" : checked.error().message();
  };
  EXPECT_EQ(check(""), "good");
  EXPECT_EQ(check("dedup: {keys: [pid, who]}"), "good");
  EXPECT_EQ(check("dedup: {keys: [name]}"), "r.yaml:1:1: rule a: dedup.keys: the result has no column name");
  EXPECT_EQ(check("requires: {tables: [processes, processes.snapshots], columns: [processes.pid, name]}"), "good");
  EXPECT_THAT(check("requires: {tables: [process]}"), HasSubstr("no table process"));
  EXPECT_THAT(check("requires: {columns: [comand_line]}"), HasSubstr("did you mean \"command_line\"?"));
}

TEST(CheckRule, RefusesParametersAndBadPatterns) {
  auto sessions = CheckSessions::create(system_clock());
  ASSERT_TRUE(sessions);
  Rule rule;
  rule.id = "a";
  rule.sql = "SELECT ?";
  EXPECT_THAT(check_rule(*sessions, rule).error().message(), HasSubstr("a rule has no parameters"));
  rule.sql = "SELECT pid FROM processes WHERE name REGEXP '(x'";
  EXPECT_THAT(check_rule(*sessions, rule).error().message(), HasSubstr("invalid regular expression"));
}

TEST(CheckRule, FindsOutWhenARuleCanRun) {
  auto sessions = CheckSessions::create(system_clock());
  ASSERT_TRUE(sessions);
  const auto on = [&](const std::string& sql, const std::string& more = "") {
    auto rules = parse_rule_text("r.yaml", "id: a\nsql: " + sql + "\n" + more);
    EXPECT_TRUE(rules) << rules.error().message();
    const auto checked = check_rule(*sessions, rules->front());
    return checked ? std::string(to_text(rules->front().on)) : checked.error().message();
  };
  const std::string row = "SELECT pid FROM processes WHERE name = 'x'";
  const std::string join = "SELECT c.pid FROM processes c JOIN processes p ON p.pid = c.ppid";
  const std::string event = "SELECT pid FROM processes.events WHERE event_type = 'exec'";
  const std::string count = "SELECT name, count(*) FROM processes.events GROUP BY name";
  const std::string bounded = count + " HAVING min(event_time_ms) > 0";
  EXPECT_EQ(on(row), "both");
  EXPECT_EQ(on(row, "on: snapshot"), "snapshot");
  EXPECT_EQ(on(row, "on: event"), "event");
  EXPECT_EQ(on(join), "snapshot");
  EXPECT_EQ(on(join, "on: both"),
            "r.yaml:1:1: rule a: on: both is for rules that look at one row at a time, but it combines several rows; "
            "use on: snapshot");
  EXPECT_EQ(on(event), "event");
  EXPECT_EQ(on(event, "window: 10m"), "snapshot");
  EXPECT_EQ(on(event, "on: both\nwindow: 10m"), "both");
  EXPECT_THAT(on(event, "on: both"), HasSubstr("without a time limit; add window: 10m"));
  EXPECT_THAT(on(count), HasSubstr("without a time limit; add window: 10m"));
  EXPECT_THAT(on(bounded), HasSubstr("without a time limit"));
  EXPECT_EQ(on(count, "window: 1h"), "snapshot");
  EXPECT_EQ(on("SELECT count(*) FROM events WHERE event_time_ms > (unixepoch() - 60) * 1000"), "snapshot");
  EXPECT_THAT(on(count, "on: event\nwindow: 1h"), HasSubstr("aggregates over rows; use on: snapshot and a window"));
  EXPECT_THAT(on(row, "window: 1h"), HasSubstr("reads nothing that is stored; remove it"));
  const std::string grown = "SELECT process_uid FROM processes.history GROUP BY process_uid HAVING count(*) > 2";
  EXPECT_THAT(on(grown), HasSubstr("reads processes.history without a time limit; add window: 10m, or a lower limit of "
                                   "collection_time_ms"));
  EXPECT_EQ(on(grown, "window: 1h"), "snapshot");
  EXPECT_THAT(on("SELECT pid FROM processes.history WHERE pid = 1", "on: event\nwindow: 1h"),
              HasSubstr("it looks back in processes.history; use on: snapshot and a window"));
  EXPECT_EQ(on("SELECT a.id FROM alerts AS a WHERE a.alert_time_ms > unixepoch() * 1000 - 60000"), "snapshot");
}

}  // namespace
}  // namespace de::detect
