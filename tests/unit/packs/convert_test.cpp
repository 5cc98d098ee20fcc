#include "packs/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "daemoneye/base/clock.h"
#include "detect/rule_book.h"

namespace de::packs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Query query_of(const std::string& sql) {
  Query query;
  query.name = "q";
  query.title = "q";
  query.sql = sql;
  return query;
}

std::string runs(const std::string& sql, std::int64_t interval_s = 0) {
  Query query = query_of(sql);
  query.interval_s = interval_s;
  const auto made = convert(query, {});
  return made ? made->runs : made.error().message();
}

// The rule as the agent reads and checks it.
Result<detect::Rule> checked(const Converted& made) {
  DE_TRY(rules, detect::parse_rule_text(made.id + ".yaml", made.yaml));
  DE_TRY(sessions, detect::CheckSessions::create(system_clock()));
  DE_TRY(statement, detect::check_rule(sessions, rules.front()));
  (void)statement;
  return std::move(rules.front());
}

TEST(Read, HeaderOfAnSqlFile) {
  const auto queries = read_queries("dir/1-odd-things.sql",
                                    "-- Odd things\n--\n-- references:\n--   * "
                                    "https://attack.mitre.org/techniques/T1070/004/ (Removal)\n-- tags: process often\n"
                                    "-- platform: linux\n-- interval: 600\nSELECT 1 -- tags: no\n");
  ASSERT_TRUE(queries) << queries.error().message();
  ASSERT_EQ(queries->size(), 1u);
  const Query& query = queries->front();
  EXPECT_EQ(query.name, "1-odd-things");
  EXPECT_EQ(query.title, "Odd things");
  EXPECT_THAT(query.description, HasSubstr("(Removal)"));
  EXPECT_THAT(query.tags, ElementsAre("attack.t1070.004", "process", "often"));
  EXPECT_EQ(query.platform, "linux");
  EXPECT_EQ(query.interval_s, 600);
}

TEST(Read, PackWithCommentsAndLongLines) {
  const auto queries =
      read_queries("p/x.conf",
                   "{\n  // a comment\n\t\"platform\": \"linux\",\n  \"queries\": {\n    \"a\": {\n"
                   "      \"query\": \"SELECT \\\n  pid FROM processes WHERE path LIKE '\\/x\\/%';\",\n"
                   "      \"interval\": \"3600\",\n      \"description\": \"d\"\n    },\n"
                   "    \"b\": {\"query\": \"SELECT 1\", \"platform\": \"darwin\", \"interval\": 5}\n  }\n}\n");
  ASSERT_TRUE(queries) << queries.error().message();
  ASSERT_EQ(queries->size(), 2u);
  EXPECT_EQ(queries->at(0).name, "x-a");
  EXPECT_EQ(queries->at(0).sql, "SELECT pid FROM processes WHERE path LIKE '/x/%';");
  EXPECT_EQ(queries->at(0).platform, "linux");
  EXPECT_EQ(queries->at(0).interval_s, 3600);
  EXPECT_EQ(queries->at(1).platform, "darwin");
}

TEST(Read, WhatIsNoPackIsRefusedWithItsPlace) {
  EXPECT_THAT(read_queries("x.conf", "{\"queries\": [1]}").error().message(), HasSubstr("x.conf:1:"));
  const auto without = read_queries("x.conf", "{\"queries\": {\"a\": {}, \"b\": {\"query\": \"select 1\"}}}");
  ASSERT_TRUE(without) << "one mistake is not the pack's";
  ASSERT_EQ(without->size(), 2u);
  EXPECT_THAT(convert((*without)[0], {}).error().message(), HasSubstr("there is no statement"));
  EXPECT_TRUE(convert((*without)[1], {}));
  EXPECT_THAT(read_queries("x.json", "[1, 2]").error().message(), HasSubstr("expected a pack"));
  EXPECT_THAT(read_queries("x.json", "{}").error().message(), HasSubstr("no query"));
  EXPECT_FALSE(read_queries("x.json", "{\"queries\": {"));
}

TEST(Convert, SaysWhatARuleRunsOver) {
  EXPECT_EQ(runs("SELECT pid FROM processes"), "event and snapshot");
  EXPECT_EQ(runs("SELECT count(*) FROM processes"), "snapshot");
  EXPECT_EQ(runs("SELECT pid FROM process_events WHERE path LIKE '/tmp/%'", 30), "event");
  EXPECT_EQ(runs("SELECT count(*) FROM process_events", 30), "snapshot, window 1h");
  EXPECT_EQ(runs("SELECT count(*) FROM process_events", 7'200), "snapshot, window 2h");
  EXPECT_EQ(runs("SELECT count(*) FROM process_events WHERE time > strftime('%s','now') - 86400"),
            "snapshot, window 1d");
  EXPECT_EQ(runs("SELECT count(*) FROM process_events WHERE time > strftime('%s','now','-3 hours')"),
            "snapshot, window 3h");
  EXPECT_EQ(runs("SELECT count(*) FROM process_events", 999'999'999), "snapshot, window 30d");
}

TEST(Convert, SaysWhatDoesNotRunAndWhy) {
  EXPECT_THAT(runs("SELECT 1 FROM yara"), HasSubstr("yara: what files contain is not read"));
  EXPECT_THAT(runs("SELECT printf('%d', pid) FROM processes"), HasSubstr("function printf() is not allowed"));
  EXPECT_THAT(runs("SELECT regex_match(path, '^(?!/usr)', 0) FROM processes"), HasSubstr("cannot look around"));
  EXPECT_THAT(runs("SELECT 1 FROM file WHERE path LIKE '/tmp/%'"), HasSubstr("named paths only"));
  EXPECT_THAT(runs("SELECT 1 FROM magic WHERE mime_type = 'x'"), HasSubstr("magic is answered for named paths only"));
  EXPECT_THAT(runs("SELECT nosuch FROM processes"), HasSubstr("no such column: nosuch"));
  EXPECT_THAT(runs(" -- nothing\n"), HasSubstr("there is no statement"));
  EXPECT_THAT(runs("not sql"), HasSubstr("expected a SELECT (line 1, column 1)"));
  EXPECT_THAT(runs("SELECT 1;\nSELECT 2"), HasSubstr("only one statement is allowed (line 2, column 1)"));
  EXPECT_THAT(runs("WITH a AS (SELECT 1) SELECT * FROM a; ;"), HasSubstr("snapshot"));
  Query query = query_of("SELECT 1");
  query.platform = "darwin,windows";
  EXPECT_EQ(convert(query, {}).error().message(), "written for darwin,windows only");
}

TEST(Convert, RuleHasTheStatementAsItWasWritten) {
  for (const std::string sql :
       {"-- head: \"x\"\nSELECT pid\n\tFROM processes\n\nWHERE name = \"a\\b\"\n  AND 1",
        "SELECT '\x01' FROM processes", "SELECT pid FROM processes", "SELECT 'ö'\nFROM processes"}) {
    Query query = query_of(sql);
    query.title = "quotes \" and: colons";
    query.tags = {"a", "b c"};
    const auto made = convert(query, {"https://x/q.sql", "MIT"});
    ASSERT_TRUE(made) << made.error().message();
    const auto rule = checked(*made);
    ASSERT_TRUE(rule) << rule.error().message() << "\n" << made->yaml;
    std::string kept = rule->sql;
    while (kept.ends_with('\n')) kept.pop_back();
    EXPECT_EQ(kept, sql);
    EXPECT_EQ(rule->name, query.title);
    EXPECT_EQ(rule->license, "MIT");
    EXPECT_EQ(rule->source, "https://x/q.sql");
    EXPECT_THAT(rule->statement(), HasSubstr("AS NOT MATERIALIZED"));
  }
}

TEST(Convert, TextsTooLongForARuleAreRefused) {
  Query query = query_of("SELECT pid FROM processes");
  query.title = std::string(1021, 'a') + "ö";
  EXPECT_EQ(convert(query, {}).error().message(), "name is longer than the 1024 bytes that a rule may have for it");
  query.title.erase(0, 1);
  const auto made = convert(query, {});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(checked(*made));
  query.tags = std::vector<std::string>(129, "tag");
  EXPECT_THAT(convert(query, {}).error().message(), HasSubstr("more tags than the 128 of a rule"));
}

std::string to_runs(const detect::Rule& rule) {
  std::string out = rule.on == detect::Trigger::Both ? "event and snapshot" : std::string(detect::to_text(rule.on));
  const std::int64_t hours = rule.window_ms / 3'600'000;
  if (rule.window_ms != 0) out += ", window " + std::to_string(hours) + "h";
  return out;
}

// What the import says runs, the agent takes, and runs as the import says.
TEST(Convert, AgentTakesEveryConvertedQueryOfTheCorpus) {
  std::size_t converted = 0, all = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(DE_SOURCE_DIR "/../shared/corpora/osquery/queries")) {
    if (entry.path().extension() != ".sql") continue;
    SCOPED_TRACE(entry.path().string());
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    const auto queries = read_queries(entry.path().string(), text.str());
    ASSERT_TRUE(queries) << queries.error().message();
    ++all;
    const auto made = convert(queries->front(), {});
    if (!made) {
      std::cout << "refused   " << queries->front().name << ": " << made.error().message() << "\n";
      continue;
    }
    ++converted;
    std::cout << "converted " << queries->front().name << ": " << made->runs << "\n";
    const auto rule = checked(*made);
    ASSERT_TRUE(rule) << rule.error().message();
    EXPECT_EQ(to_runs(*rule), made->runs);
  }
  std::cout << converted << " of " << all << " are converted\n";
  EXPECT_EQ(all, 46u);
}

}  // namespace
}  // namespace de::packs
