#include "daemoneye/schema/describe.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/predicate.h"
#include "daemoneye/schema/process_columns.h"

namespace de::schema {
namespace {

pb::SchemaDescriptor described(const ProcessTables& told) {
  pb::SchemaDescriptor out;
  describe_processes(told, out);
  return out;
}

const pb::ColumnDescriptor* find(const pb::TableDescriptor& table, std::string_view column) {
  for (const pb::ColumnDescriptor& one : table.columns())
    if (one.name() == column) return &one;
  return nullptr;
}

TEST(Describe, EveryColumnInItsOrderWithItsType) {
  const pb::SchemaDescriptor all = described({});
  EXPECT_EQ(all.descriptor_version(), 1u);
  ASSERT_EQ(all.tables_size(), 2);
  EXPECT_EQ(all.tables(0).name(), "processes");
  EXPECT_EQ(all.tables(1).name(), "processes.events");
  const auto columns = process_columns();
  ASSERT_EQ(all.tables(0).columns_size(), static_cast<int>(columns.size()));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const pb::ColumnDescriptor& told = all.tables(0).columns(static_cast<int>(i));
    EXPECT_EQ(told.name(), columns[i].name);
    EXPECT_EQ(type_on_wire(told.column_type()), columns[i].type) << told.name();
    EXPECT_TRUE(told.help().empty()) << told.name();
  }
  const auto events = event_columns();
  ASSERT_EQ(all.tables(1).columns_size(), static_cast<int>(events.size()));
  for (std::size_t i = 0; i < events.size(); ++i)
    EXPECT_EQ(all.tables(1).columns(static_cast<int>(i)).name(), events[i].name);
}

TEST(Describe, OnlyWhoTakesPlansHasColumnsOnDemandAndOperations) {
  const pb::SchemaDescriptor plain = described({});
  for (const pb::TableDescriptor& table : plain.tables()) {
    for (const pb::ColumnDescriptor& column : table.columns()) {
      EXPECT_FALSE(column.on_demand()) << column.name();
      EXPECT_EQ(column.supported_ops_size(), 0) << column.name();
    }
  }
  const pb::SchemaDescriptor all = described({true, true, true});
  std::set<std::string> on_demand;
  for (const pb::ColumnDescriptor& column : all.tables(0).columns())
    if (column.on_demand()) on_demand.insert(column.name());
  EXPECT_EQ(on_demand, (std::set<std::string>{"fd_count", "io_read_bytes", "io_write_bytes"}));
  for (const pb::ColumnDescriptor& column : all.tables(1).columns()) {
    EXPECT_FALSE(column.on_demand()) << column.name();
    EXPECT_EQ(column.supported_ops_size(), 0) << column.name();
  }
}

TEST(Describe, OperationsAreOfWhatIsKnownBeforeAnythingDearIsRead) {
  const pb::SchemaDescriptor all = described({true, true, true});
  const pb::TableDescriptor& processes = all.tables(0);
  for (const char* none : {"cpu_usage", "memory_usage", "state", "fd_count", "io_read_bytes", "io_write_bytes",
                           "executable_hash", "hash_algorithm", "command_line_now", "platform_data", "environment",
                           "environment_length", "environment_cut", "shed"})
    EXPECT_EQ(find(processes, none)->supported_ops_size(), 0) << none;
  for (const char* text : {"name", "executable_path", "command_line", "cwd", "user_name", "cgroup", "process_uid"})
    EXPECT_EQ(find(processes, text)->supported_ops_size(), 9) << text;
  for (const char* number : {"pid", "ppid", "uid", "start_time_ms", "kernel_thread"})
    EXPECT_EQ(find(processes, number)->supported_ops_size(), 7) << number;
  // What is announced is what is taken.
  for (const Column<pb::ProcessRecord>& column : process_columns()) {
    for (const pb::PredicateOp op : ops_in_plans(column)) {
      pb::Predicate predicate;
      predicate.set_op(op);
      pb::Literal& value = *predicate.add_values();
      if (column.type == SqlType::Integer) value.set_int_value(1);
      if (column.type == SqlType::Real) value.set_float_value(1);
      if (column.type == SqlType::Text) value.set_string_value("x");
      EXPECT_TRUE(check(predicate, column.type)) << column.name << " " << op;
    }
  }
}

TEST(Describe, WhatCanNeverBeToldIsLeftOut) {
  const pb::SchemaDescriptor neither = described({true, false, false}), no_hashes = described({true, true, false});
  for (const pb::TableDescriptor& table : neither.tables()) {
    for (const char* column :
         {"environment", "environment_length", "environment_cut", "executable_hash", "hash_algorithm"})
      EXPECT_EQ(find(table, column), nullptr) << table.name() << " " << column;
    EXPECT_NE(find(table, "command_line"), nullptr);
  }
  for (const pb::TableDescriptor& table : no_hashes.tables()) {
    EXPECT_NE(find(table, "environment"), nullptr);
    EXPECT_EQ(find(table, "executable_hash"), nullptr);
  }
}

TEST(Describe, TypesThatAreNoneHaveNoMeaning) {
  for (const int number : {0, 3, 5, 99}) EXPECT_EQ(type_on_wire(static_cast<pb::ColumnType>(number)), std::nullopt);
}

TEST(ColumnsOnDemand, AreThoseOfTheSnapshotOnly) {
  const auto on_demand = [](const char* table) {
    std::set<std::string_view> out;
    for (const ColumnInfo& column : find_table(table)->columns)
      if (column.on_demand) out.insert(column.name);
    return out;
  };
  EXPECT_EQ(on_demand("processes"), (std::set<std::string_view>{"fd_count", "io_read_bytes", "io_write_bytes"}));
  EXPECT_TRUE(on_demand("processes.events").empty());
  EXPECT_TRUE(on_demand("processes.history").empty());
  EXPECT_TRUE(on_demand("scans").empty());
}

}  // namespace
}  // namespace de::schema
