#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "detect/rule_book.h"
#include "detect/runner.h"
#include "rule_dir.h"

namespace de::detect {
namespace {

using testing::HasSubstr;

using WaitingRules = RuleDir;

// pid INTEGER and remote TEXT.
std::shared_ptr<const mirror::ForeignTables> connections(std::uint64_t generation,
                                                         const std::string& column = "remote") {
  auto info = std::make_shared<mirror::ForeignInfo>();
  info->name = "network.connections";
  info->collector = "netmond";
  info->columns = {{"pid", schema::SqlType::Integer, "", ""}, {column, schema::SqlType::Text, "", ""}};
  auto out = std::make_shared<mirror::ForeignTables>();
  out->generation = generation;
  out->tables.push_back({info, nullptr});
  return out;
}

std::shared_ptr<const mirror::ForeignTables> nobody(std::uint64_t generation) {
  auto out = std::make_shared<mirror::ForeignTables>();
  out->generation = generation;
  out->gone.push_back({"network.connections", "netmond", 0});
  return out;
}

TEST_F(WaitingRules, ARuleWaitsForTheTableItRequires) {
  write_file("net.yaml",
             "id: net\nsql: SELECT pid, remote FROM network.connections\nrequires: {tables: [network.connections]}\n");
  write_file("other.yaml", "id: other\nsql: SELECT pid FROM network.connections\n");
  write_file("plain.yaml", "id: plain\nsql: SELECT pid FROM processes\n");
  auto book = open();
  const auto unready = [&] { return book->snapshot()->find("net")->unready; };
  EXPECT_EQ(unready(), "no collector tells network.connections now");
  EXPECT_EQ(book->snapshot()->find("plain")->unready, "");
  EXPECT_EQ(book->snapshot()->find("other"), nullptr);
  ASSERT_EQ(book->snapshot()->errors.size(), 1U);
  EXPECT_THAT(book->snapshot()->errors.front().message, HasSubstr("add requires: {tables: [network.connections]}"));

  ASSERT_TRUE(book->set_tables(connections(1)));
  EXPECT_EQ(unready(), "");
  EXPECT_NE(book->snapshot()->find("other"), nullptr) << "refused files are looked at again";
  EXPECT_TRUE(book->snapshot()->errors.empty());
  EXPECT_EQ(book->snapshot()->find("net")->on, Trigger::Snapshot);

  const std::uint64_t before = book->snapshot()->generation;
  ASSERT_TRUE(book->set_tables(connections(1)));
  EXPECT_EQ(book->snapshot()->generation, before) << "nobody changed a rule";

  ASSERT_TRUE(book->set_tables(nobody(2)));
  EXPECT_EQ(unready(),
            "no collector tells network.connections now: netmond has been gone since 1970-01-01T00:00:00.000Z");
  ASSERT_TRUE(book->set_tables(connections(3, "peer")));
  ASSERT_EQ(book->snapshot()->errors.size(), 1U);
  EXPECT_THAT(book->snapshot()->errors.front().message, HasSubstr("no such column: remote"));
  ASSERT_TRUE(book->set_tables(connections(4)));
  EXPECT_TRUE(book->snapshot()->errors.empty());
  EXPECT_EQ(unready(), "");
}

TEST_F(WaitingRules, ARuleThatFailsItsOwnTestIsRefused) {
  write_file("bad.yaml",
             "id: bad\nsql: SELECT pid FROM processes WHERE name = 'a'\ntests:\n  match:\n    - rows: [{name: b}]\n");
  write_file("good.yaml",
             "id: good\nsql: SELECT pid FROM processes WHERE name = 'a'\ntests:\n  match:\n    - rows: [{name: a}]\n");
  const auto set = open()->snapshot();
  EXPECT_EQ(set->find("bad"), nullptr);
  EXPECT_NE(set->find("good"), nullptr);
  ASSERT_EQ(set->errors.size(), 1U);
  EXPECT_THAT(set->errors.front().message,
              HasSubstr("bad.yaml:5:1: rule bad: its test match 1 fails: expected a match, found none"));
}

TEST(WaitingRulesTests, TheyBringTheTablesOfOtherCollectors) {
  auto rules = parse_rule_text(
      "r.yaml",
      "id: a\nsql: SELECT pid FROM network.connections WHERE remote = '10' AND pid > 4\ntests:\n  match:\n"
      "    - tables: {network.connections: [{pid: 5, remote: 10}]}\n  no_match:\n"
      "    - tables: {network.connections: [{pid: 4, remote: 10}, {pid: 9, remote: 11}]}\n    - rows: [{pid: 5}]\n");
  ASSERT_TRUE(rules) << rules.error().message();
  const auto told = test_rule(rules->front(), system_clock(), connections(1));
  ASSERT_TRUE(told);
  EXPECT_EQ(told->passed, 3U) << (told->failures.empty() ? "" : told->failures.front().message);
  const auto unknown = test_rule(rules->front(), system_clock());
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->passed, 2U) << "the test's own rows tell the columns";
  EXPECT_EQ(unknown->failures.size(), 1U) << "a table that is not given is none";
  EXPECT_FALSE(parse_rule_text("r.yaml", "id: a\nsql: SELECT 1\ntests: {match: [{tables: {events: []}}]}\n"));
  EXPECT_FALSE(parse_rule_text("r.yaml", "id: a\nsql: SELECT 1\ntests: {match: [{tables: {n.t: 5}}]}\n"));
}

}  // namespace
}  // namespace de::detect
