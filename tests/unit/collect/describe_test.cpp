// What the greeting says of this collector's tables is what it is set up to tell.
#include "collect/describe.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace de::collect {
namespace {

CollectorOptions everything() {
  CollectorOptions out;
  out.on_demand = true;
  out.source.collect_environment = true;
  return out;
}

std::set<std::string> columns_of(const pb::SchemaDescriptor& schema, const std::string& table, bool only_on_demand) {
  std::set<std::string> out;
  for (const pb::TableDescriptor& one : schema.tables()) {
    if (one.name() != table) continue;
    for (const pb::ColumnDescriptor& column : one.columns())
      if (!only_on_demand || column.on_demand()) out.insert(column.name());
  }
  return out;
}

TEST(DescribeCollector, ColumnsOnDemandOnlyWherePlansAreTaken) {
  const pb::SchemaDescriptor all = describe(everything());
  EXPECT_EQ(all.descriptor_version(), 1u);
  EXPECT_EQ(columns_of(all, "processes", true), (std::set<std::string>{"fd_count", "io_read_bytes", "io_write_bytes"}));
  CollectorOptions options = everything();
  options.on_demand = false;
  EXPECT_TRUE(columns_of(describe(options), "processes", true).empty());
  EXPECT_TRUE(columns_of(describe(options), "processes", false).contains("fd_count"));
}

TEST(DescribeCollector, WhatIsSwitchedOffIsLeftOut) {
  CollectorOptions options = everything();
  EXPECT_TRUE(columns_of(describe(options), "processes", false).contains("environment"));
  EXPECT_TRUE(columns_of(describe(options), "processes.events", false).contains("executable_hash"));
  options.source.collect_environment = false;
  options.hash.enabled = false;
  const pb::SchemaDescriptor less = describe(options);
  for (const char* table : {"processes", "processes.events"}) {
    for (const char* column :
         {"environment", "environment_length", "environment_cut", "executable_hash", "hash_algorithm"})
      EXPECT_FALSE(columns_of(less, table, false).contains(column)) << table << " " << column;
    EXPECT_TRUE(columns_of(less, table, false).contains("command_line"));
  }
}

TEST(DescribeCollector, LiveTablesAreReadByPid) {
  const pb::SchemaDescriptor all = describe(everything());
  std::map<std::string, const pb::TableDescriptor*> live;
  for (const pb::TableDescriptor& table : all.tables())
    if (table.live()) live[table.name()] = &table;
  ASSERT_EQ(live.size(), 3u);
  EXPECT_EQ(columns_of(all, "processes.command_lines", false),
            (std::set<std::string>{"pid", "process_uid", "command_line"}));
  EXPECT_EQ(columns_of(all, "processes.open_files", false),
            (std::set<std::string>{"pid", "process_uid", "fd", "path"}));
  EXPECT_EQ(columns_of(all, "processes.environments", false),
            (std::set<std::string>{"pid", "process_uid", "key", "value"}));
  for (const auto& [name, table] : live) {
    ASSERT_EQ(table->key_size(), 1) << name;
    EXPECT_EQ(table->key(0), "pid");
    ASSERT_EQ(table->joins_size(), 1) << name;
    EXPECT_EQ(table->joins(0).column() + " " + table->joins(0).table() + " " + table->joins(0).other_column(),
              "pid processes pid");
    EXPECT_FALSE(table->help().empty());
    for (const pb::ColumnDescriptor& column : table->columns()) {
      EXPECT_FALSE(column.help().empty()) << column.name();
      EXPECT_NE(column.column_type(), pb::COLUMN_TYPE_UNSPECIFIED);
    }
  }
  CollectorOptions options = everything();
  options.source.collect_environment = false;
  const pb::SchemaDescriptor less = describe(options);
  EXPECT_TRUE(columns_of(less, "processes.environments", false).empty());
  EXPECT_FALSE(columns_of(less, "processes.open_files", false).empty());
}

// A greeting is read before anybody is trusted: it has a limit, and this is the most of it.
TEST(DescribeCollector, FitsIntoAGreeting) {
  pb::Envelope envelope;
  pb::Hello& hello = *envelope.mutable_hello();
  *hello.mutable_schema() = describe(everything());
  EXPECT_EQ(hello.schema().tables_size(), 5);
  hello.set_collector_id("procmond");
  for (std::string* text : {hello.mutable_version(), hello.mutable_boot_id(), hello.mutable_hostname(),
                            hello.mutable_spawn_token(), hello.mutable_spool_id()})
    text->assign(256, 'x');
  EXPECT_LT(envelope.ByteSizeLong(), 24u << 10);
  RecordProperty("greeting_bytes", static_cast<int>(envelope.ByteSizeLong()));
}

}  // namespace
}  // namespace de::collect
