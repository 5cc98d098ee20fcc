#include "mirror/auto_join.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace de::mirror {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string rewritten(const std::string& sql) {
  const auto out = rewrite_auto_joins(sql);
  return out ? out->sql : out.error().what();
}

TEST(AutoJoinText, StatementsWithoutOneStayAsTheyAre) {
  for (const char* sql : {"SELECT pid FROM processes", "SELECT 'AUTO JOIN x' AS a FROM processes",
                          "SELECT auto.pid FROM processes auto", "SELECT 1 -- AUTO JOIN"})
    EXPECT_EQ(rewritten(sql), sql);
}

TEST(AutoJoinText, IsAJoinWithBothConditions) {
  const auto out = rewrite_auto_joins(
      "SELECT e.pid, f.path FROM processes.events e AUTO JOIN processes.open_files AS f ON f.pid = e.pid WHEN e.name = "
      "'nc' OR e.uid = 0 WHERE f.path LIKE '/etc/%' ORDER BY 1");
  ASSERT_TRUE(out) << out.error().message();
  EXPECT_EQ(
      out->sql,
      "SELECT e.pid, f.path FROM processes.events e JOIN processes.open_files AS f ON (f.pid = e.pid) AND (e.name "
      "= 'nc' OR e.uid = 0) WHERE f.path LIKE '/etc/%' ORDER BY 1");
  EXPECT_THAT(out->tables, ElementsAre("processes.open_files"));
  EXPECT_EQ(out->trigger, "SELECT pid FROM processes.events e WHERE (e.name = 'nc' OR e.uid = 0)");
}

TEST(AutoJoinText, WordsOfConditionsAreNotItsOwn) {
  EXPECT_EQ(
      rewritten("SELECT 1 FROM events e auto join environments v on v.pid = CASE WHEN e.ppid > 1 THEN e.ppid ELSE "
                "e.pid END when (e.name IN (SELECT name FROM processes WHERE pid = 1)) group by 1"),
      "SELECT 1 FROM events e join environments v ON (v.pid = CASE WHEN e.ppid > 1 THEN e.ppid ELSE e.pid END) AND "
      "((e.name IN (SELECT name FROM processes WHERE pid = 1))) group by 1");
  EXPECT_EQ(rewritten("SELECT 1 FROM (SELECT e.pid FROM events e AUTO JOIN open_files f ON f.pid = e.pid) x"),
            "SELECT 1 FROM (SELECT e.pid FROM events e JOIN open_files f ON (f.pid = e.pid)) x");
}

TEST(AutoJoinText, TwoOfThemShareTheTrigger) {
  const auto out = rewrite_auto_joins(
      "SELECT 1 FROM processes p AUTO JOIN open_files f ON f.pid = p.pid WHEN p.name = 'a' AUTO JOIN environments v ON "
      "v.pid = p.pid WHEN p.name = 'b'");
  ASSERT_TRUE(out) << out.error().message();
  EXPECT_EQ(out->trigger, "SELECT pid FROM processes p WHERE (p.name = 'a') OR (p.name = 'b')");
  EXPECT_THAT(out->tables, ElementsAre("processes.open_files", "processes.environments"));
}

TEST(AutoJoinText, WithoutWhenOrBehindAnotherJoinThereIsNoTrigger) {
  EXPECT_THAT(rewrite_auto_joins("SELECT 1 FROM processes p AUTO JOIN open_files f ON f.pid = p.pid")->trigger,
              IsEmpty());
  EXPECT_THAT(
      rewrite_auto_joins("SELECT 1 FROM processes p JOIN scans s ON 1 AUTO JOIN open_files f ON f.pid = p.pid WHEN "
                         "p.pid = 1")
          ->trigger,
      IsEmpty());
}

TEST(AutoJoinText, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(rewritten("SELECT 1 FROM processes p\nAUTO JOIN scans s ON 1"),
              HasSubstr("AUTO JOIN is for tables that are read live: processes.open_files, processes.environments, "
                        "processes.command_lines; join "
                        "scans with JOIN (line 2, column 1)"));
  EXPECT_THAT(rewritten("SELECT 1 FROM processes p AUTO JOIN open_files f"), HasSubstr("needs ON"));
  EXPECT_THAT(rewritten("SELECT 1 FROM processes p AUTO JOIN open_files f WHERE 1"), HasSubstr("needs ON"));
  EXPECT_THAT(rewritten("SELECT 1 FROM processes p AUTO JOIN open_files f ON WHEN 1"),
              HasSubstr("without a condition"));
  EXPECT_THAT(rewritten("SELECT 1 FROM processes p AUTO JOIN open_files f ON 1 WHEN"),
              HasSubstr("without a condition"));
  EXPECT_THAT(rewritten("SELECT 1 FROM processes p AUTO JOIN"), HasSubstr("AUTO JOIN is for tables"));
  EXPECT_THAT(rewritten("SELECT 1 FROM processes p AUTO JOIN open_files f ON 'x"), HasSubstr("line 1"));
}

}  // namespace
}  // namespace de::mirror
