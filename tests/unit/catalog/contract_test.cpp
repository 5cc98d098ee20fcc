#include "catalog/contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog_fixture.h"
#include "daemoneye/schema/process_columns.h"

namespace de::catalog {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

struct Wrong {
  const char* name;
  void (*spoil)(pb::TableDescriptor&);
  const char* says;
};

class RefusedTable : public testing::TestWithParam<Wrong> {};

TEST_P(RefusedTable, IsRefusedWithTheReason) {
  pb::SchemaDescriptor schema = one_table("network.connections");
  GetParam().spoil(*schema.mutable_tables(0));
  const auto read = read_description("netmond", false, schema);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().what(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Tables, RefusedTable,
    testing::Values(
        Wrong{"NoDot", [](pb::TableDescriptor& wrong) { wrong.set_name("connections"); }, "with a dot between"},
        Wrong{"TwoDots", [](pb::TableDescriptor& wrong) { wrong.set_name("a.b.c"); }, "with a dot between"},
        Wrong{"NothingBehind", [](pb::TableDescriptor& wrong) { wrong.set_name("network."); }, "with a dot between"},
        Wrong{"Quote", [](pb::TableDescriptor& wrong) { wrong.set_name("network.a\"b"); }, "with a dot between"},
        Wrong{"Injection", [](pb::TableDescriptor& wrong) { wrong.set_name("n;DROP.x"); }, "with a dot between"},
        Wrong{"Capitals", [](pb::TableDescriptor& wrong) { wrong.set_name("Network.connections"); },
              "with a dot between"},
        Wrong{"Main", [](pb::TableDescriptor& wrong) { wrong.set_name("main.x"); }, "with a dot between"},
        Wrong{"Temp", [](pb::TableDescriptor& wrong) { wrong.set_name("temp.x"); }, "with a dot between"},
        Wrong{"Sqlite", [](pb::TableDescriptor& wrong) { wrong.set_name("x.sqlite_master"); }, "with a dot between"},
        Wrong{"Long", [](pb::TableDescriptor& wrong) { wrong.set_name("n." + std::string(65, 'a')); },
              "with a dot between"},
        Wrong{"Processes", [](pb::TableDescriptor& wrong) { wrong.set_name("processes"); }, "procmond's"},
        Wrong{"OfProcesses", [](pb::TableDescriptor& wrong) { wrong.set_name("processes.others"); }, "procmond's"},
        Wrong{"Alerts", [](pb::TableDescriptor& wrong) { wrong.set_name("alerts"); }, "the agent's own"},
        Wrong{"Users", [](pb::TableDescriptor& wrong) { wrong.set_name("users"); }, "the agent's own"},
        Wrong{"Live", [](pb::TableDescriptor& wrong) { wrong.set_live(true); }, "only tables of procmond can be live"},
        Wrong{"NoColumns", [](pb::TableDescriptor& wrong) { wrong.clear_columns(); }, "has 0 columns"},
        Wrong{"ColumnTwice", [](pb::TableDescriptor& wrong) { *wrong.add_columns() = wrong.columns(0); },
              "is there twice"},
        Wrong{"ColumnName", [](pb::TableDescriptor& wrong) { wrong.mutable_columns(0)->set_name("a b"); },
              "not a name"},
        Wrong{"RowId", [](pb::TableDescriptor& wrong) { wrong.mutable_columns(0)->set_name("rowid"); }, "not a name"},
        Wrong{"NoType", [](pb::TableDescriptor& wrong) { wrong.mutable_columns(0)->clear_column_type(); },
              "no known type"},
        Wrong{"Key", [](pb::TableDescriptor& wrong) { wrong.set_key(0, "nothing"); }, "its key is of columns"},
        Wrong{"Join", [](pb::TableDescriptor& wrong) { wrong.add_joins()->set_column("nothing"); }, "hints for joins"},
        Wrong{"Help", [](pb::TableDescriptor& wrong) { wrong.mutable_columns(0)->set_help(std::string(257, 'x')); },
              "help"}),
    [](const auto& given) { return given.param.name; });

TEST(Contract, TooManyTablesOrColumnsAreRefused) {
  pb::SchemaDescriptor schema;
  for (int i = 0; i < kMaxTables; ++i) *schema.add_tables() = one_table("n.t" + std::to_string(i)).tables(0);
  EXPECT_TRUE(read_description("x", false, schema));
  *schema.add_tables() = one_table("n.more").tables(0);
  EXPECT_EQ(read_description("x", false, schema).error().code(), Errc::TooLarge);
  schema = one_table("n.t");
  for (int i = schema.tables(0).columns_size(); i < kMaxColumns; ++i)
    add_column(*schema.mutable_tables(0), "c" + std::to_string(i), pb::COLUMN_TYPE_TEXT);
  EXPECT_TRUE(read_description("x", false, schema));
  add_column(*schema.mutable_tables(0), "more", pb::COLUMN_TYPE_TEXT);
  EXPECT_FALSE(read_description("x", false, schema));
  schema = one_table("n.t");
  *schema.add_tables() = schema.tables(0);
  EXPECT_THAT(read_description("x", false, schema).error().what(), HasSubstr("is there twice"));
}

TEST(Contract, TellsWhichColumnsOfProcessesAreNotTold) {
  pb::SchemaDescriptor schema;
  pb::TableDescriptor& table = *schema.add_tables();
  table.set_name("processes");
  for (const auto& column : schema::process_columns())
    if (column.name != "environment") add_column(table, std::string(column.name), wire_type(column.type));
  add_column(table, "of_the_future", pb::COLUMN_TYPE_TEXT);
  const auto read = read_description("procmond", true, schema);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_TRUE(read->tells_processes);
  EXPECT_THAT(read->untold, testing::ElementsAre("processes.environment"));
  EXPECT_FALSE(read_description("other", false, schema));
}

TEST(Contract, AColumnOfAnotherTypeThanOursIsRefused) {
  pb::SchemaDescriptor schema;
  schema.add_tables()->set_name("processes");
  add_column(*schema.mutable_tables(0), "pid", pb::COLUMN_TYPE_TEXT);
  const auto read = read_description("procmond", true, schema);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().what(), HasSubstr("column pid is INTEGER in this version"));
}

}  // namespace
}  // namespace de::catalog
