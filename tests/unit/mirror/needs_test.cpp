#include "mirror/needs.h"

#include <gtest/gtest.h>

#include "mirror/session.h"

namespace de::mirror {
namespace {

// "fd_count: name EQ sshd & pid GT 5 | all".
std::string needs_of(const std::string& sql) {
  auto session = std::move(*Session::create(Origin::Rule, system_clock()));
  const auto needs = session->needs(sql, true);
  if (!needs) return needs.error().what();
  std::string out;
  for (const std::string& column : needs->columns) out += (out.empty() ? "" : ",") + column;
  for (std::size_t i = 0; i < needs->of.size(); ++i) {
    out += i == 0 ? ": " : " | ";
    for (const pb::Predicate& one : needs->of[i]) {
      if (&one != &needs->of[i].front()) out += " & ";
      out += one.column() + " " + pb::PredicateOp_Name(one.op()).substr(13) + " ";
      out += one.values(0).has_int_value() ? std::to_string(one.values(0).int_value()) : one.values(0).string_value();
    }
    if (needs->of[i].empty()) out += "all";
  }
  return out;
}

TEST(Needs, OnlyWhatIsNotInEverySnapshotIsNeeded) {
  EXPECT_EQ(needs_of("SELECT pid, name, cpu_usage FROM processes"), "");
  EXPECT_EQ(needs_of("SELECT count(*) FROM processes"), "");
  EXPECT_EQ(needs_of("SELECT fd_count FROM processes.events"), "") << "an event is what it was";
  EXPECT_EQ(needs_of("SELECT fd_count FROM processes"), "fd_count: all");
  EXPECT_EQ(needs_of("SELECT * FROM processes"), "fd_count,io_read_bytes,io_write_bytes: all");
  EXPECT_EQ(needs_of("SELECT p.* FROM processes.snapshots p WHERE pid = 1"),
            "fd_count,io_read_bytes,io_write_bytes: pid EQ 1");
  EXPECT_EQ(needs_of("SELECT max(io_read_bytes) FROM history WHERE collection_time_ms > 5"),
            "io_read_bytes: collection_time_ms GT 5");
}

TEST(Needs, ConditionsThatAreWrittenOutNarrowIt) {
  const std::string columns = "SELECT fd_count FROM processes WHERE ";
  EXPECT_EQ(needs_of(columns + "name = 'sshd'"), "fd_count: name EQ sshd");
  EXPECT_EQ(needs_of(columns + "name = 'sshd' AND pid > 5"), "fd_count: name EQ sshd & pid GT 5");
  EXPECT_EQ(needs_of(columns + "executable_path GLOB '/tmp/*'"), "fd_count: executable_path GLOB /tmp/*");
  EXPECT_EQ(needs_of(columns + "name = 'a' OR pid = 5"), "fd_count: name EQ a | pid EQ 5");
  EXPECT_EQ(needs_of(columns + "uid = 0 AND (name = 'a' OR pid = 5)"), "fd_count: uid EQ 0");
}

TEST(Needs, WhatIsNoPlainConditionNeedsMore) {
  const std::string columns = "SELECT fd_count FROM processes WHERE ";
  EXPECT_EQ(needs_of(columns + "lower(name) = 'sshd'"), "fd_count: all");
  EXPECT_EQ(needs_of(columns + "pid = '7'"), "fd_count: all") << "SQLite would make a number of it";
  EXPECT_EQ(needs_of(columns + "name = 'A' COLLATE NOCASE"), "fd_count: all");
  EXPECT_EQ(needs_of(columns + "name COLLATE NOCASE = 'A'"), "fd_count: all");
  EXPECT_EQ(needs_of(columns + "name COLLATE NOCASE >= 'A'"), "fd_count: all");
  EXPECT_EQ(needs_of(columns + "pid IN (1, 2, 3)"), "fd_count: all");
  EXPECT_EQ(needs_of(columns + "pid = (SELECT max(pid) FROM processes)"), "fd_count: all");
  EXPECT_EQ(needs_of(columns + "name IS NULL"), "fd_count: all");
  EXPECT_EQ(needs_of(columns + "name IS 'a'"), "fd_count: all");
  EXPECT_EQ(needs_of(columns + "name NOT LIKE 'a%'"), "fd_count: all");
  EXPECT_EQ(needs_of(columns + "pid = unixepoch()"), "fd_count: all");
}

TEST(Needs, OfSeveralTablesOnlyThoseCountThatReadIt) {
  EXPECT_EQ(
      needs_of(
          "SELECT c.fd_count FROM processes c JOIN processes p ON p.pid = c.ppid WHERE p.name = 'a' AND c.uid = 0"),
      "fd_count: uid EQ 0");
  EXPECT_EQ(needs_of("SELECT c.pid FROM processes c LEFT JOIN processes p ON p.pid = c.ppid AND p.fd_count > 5 AND "
                     "p.name = 'x' WHERE p.pid IS NULL"),
            "fd_count: name EQ x");
  EXPECT_EQ(needs_of("SELECT pid FROM processes c WHERE NOT EXISTS (SELECT 1 FROM processes p WHERE p.fd_count > 3 AND "
                     "p.pid = c.ppid)"),
            "fd_count: all");
  EXPECT_EQ(needs_of("WITH big AS (SELECT pid, fd_count FROM processes WHERE name = 'x') SELECT pid FROM big WHERE "
                     "fd_count > 9"),
            "fd_count: name EQ x");
  EXPECT_EQ(needs_of("SELECT name, sum(fd_count) FROM processes WHERE uid = 0 GROUP BY name HAVING sum(fd_count) > 9"),
            "fd_count: uid EQ 0");
}

TEST(Needs, WhatAViewNamesIsNotReadForIt) {
  const std::string view = "WITH v AS NOT MATERIALIZED (SELECT pid, name, fd_count, io_read_bytes FROM processes) ";
  EXPECT_EQ(needs_of(view + "SELECT name FROM v WHERE pid = 1"), "");
  EXPECT_EQ(needs_of(view + "SELECT io_read_bytes FROM v WHERE pid = 1"), "io_read_bytes: pid EQ 1");
}

TEST(Needs, ManyAlternativesBecomeEveryProcess) {
  std::string sql = "SELECT fd_count FROM processes WHERE name = 'a'";
  for (int i = 0; i < 8; ++i) sql += " OR pid = " + std::to_string(i);
  EXPECT_EQ(needs_of(sql), "fd_count: all");
}

}  // namespace
}  // namespace de::mirror
