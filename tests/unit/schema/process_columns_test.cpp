#include "daemoneye/schema/process_columns.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "cell_text.h"

namespace de::schema {
namespace {

Cell read(const pb::ProcessRecord& record, std::string_view column) {
  for (const auto& c : process_columns())
    if (c.name == column) return c.read(record);
  ADD_FAILURE() << "no column " << column;
  return {};
}

TEST(ProcessColumns, HaveUniqueNamesAndHelp) {
  std::set<std::string_view> seen;
  for (const auto& c : process_columns()) {
    EXPECT_TRUE(seen.insert(c.name).second) << c.name << " appears twice";
    EXPECT_FALSE(c.help.empty()) << c.name;
  }
}

// A field nobody can query is a field nobody checks.
TEST(ProcessColumns, ShowEveryFieldOfTheMessage) {
  const std::set<std::string> scan_wide = {"collection_time_ms"};
  const std::set<std::string> renamed = {"exe_mtime_ms", "boot_time_ms"};
  std::set<std::string> names;
  for (const auto& c : process_columns()) names.insert(std::string(c.name));
  const auto* message = pb::ProcessRecord::descriptor();
  for (int i = 0; i < message->field_count(); ++i) {
    const std::string& field = message->field(i)->name();
    EXPECT_TRUE(names.contains(field) || scan_wide.contains(field) || renamed.contains(field)) << field;
  }
}

TEST(ProcessColumns, UnknownIsNullAndNeverZero) {
  const pb::ProcessRecord empty;
  for (const auto* column : {"ppid", "memory_usage", "uid", "executable_path", "cpu_usage", "command_line", "fd_count"})
    EXPECT_TRUE(std::holds_alternative<std::monostate>(read(empty, column))) << column;
}

TEST(ProcessColumns, CommandLineIsJoinedByOneSpace) {
  pb::ProcessRecord record;
  for (const auto* argument : {"sh", "", "-c", "id; \"x\""}) record.add_command_line(argument);
  EXPECT_EQ(text(read(record, "command_line")), "sh  -c id; \"x\"");
  EXPECT_EQ(text(read(record, "argv")), R"(["sh","","-c","id; \"x\""])");
}

TEST(ProcessColumns, FirstEmptyArgumentKeepsItsPlace) {
  pb::ProcessRecord record;
  for (const auto* argument : {"", "x"}) record.add_command_line(argument);
  EXPECT_EQ(text(read(record, "command_line")), " x");
}

TEST(ProcessColumns, SqlShowsTheFirstPartOfALongArgument) {
  pb::ProcessRecord record;
  record.add_command_line(std::string(kSqlTextBytes + 10, 'a'));
  record.add_command_line("tail");
  EXPECT_EQ(text(read(record, "command_line")).size(), kSqlTextBytes);
}

TEST(ProcessColumns, UserIdIsTextAndNumber) {
  pb::ProcessRecord record;
  record.set_user_id("1000");
  EXPECT_EQ(text(read(record, "user_id")), "1000");
  EXPECT_EQ(std::get<std::int64_t>(read(record, "uid")), 1000);
  record.set_user_id("S-1-5-18");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(read(record, "uid")));
}

TEST(ProcessColumns, WhatWasLeftOutIsNamed) {
  pb::ProcessRecord record;
  for (const char* column : {"shed", "environment_cut", "environment_length"})
    EXPECT_TRUE(std::holds_alternative<std::monostate>(read(record, column))) << column;
  record.set_environment_length(0);
  EXPECT_EQ(std::get<std::int64_t>(read(record, "environment_cut")), 0);
  record.set_environment_cut(true);
  EXPECT_EQ(std::get<std::int64_t>(read(record, "environment_cut")), 1);
  record.add_shed(pb::SHED_ENVIRONMENT);
  record.add_shed(static_cast<pb::Shed>(77));  // Of a newer collector.
  record.add_shed(pb::SHED_HASH);
  record.add_shed(pb::SHED_ARGUMENTS);
  EXPECT_EQ(text(read(record, "shed")), "environment,hash,arguments");
}

TEST(UidText, IsCanonicalOrEmpty) {
  EXPECT_EQ(uid_text(std::string(16, '\xAB')), "abababab-abab-abab-abab-abababababab");
  EXPECT_EQ(uid_text("short"), "");
}

TEST(Tables, AreFoundByBothNames) {
  ASSERT_NE(find_table("processes"), nullptr);
  EXPECT_EQ(find_table("processes.snapshots"), find_table("processes"));
  EXPECT_EQ(find_table("nosuch"), nullptr);
}

}  // namespace
}  // namespace de::schema
