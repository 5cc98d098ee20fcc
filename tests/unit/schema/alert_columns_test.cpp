#include "daemoneye/schema/alert_columns.h"

#include <gtest/gtest.h>

namespace de::schema {
namespace {

TEST(AlertColumns, WordsOfNumbers) {
  EXPECT_EQ(to_text(pb::SEVERITY_LOW), "low");
  EXPECT_EQ(to_text(pb::SEVERITY_CRITICAL), "critical");
  EXPECT_EQ(to_text(pb::SEVERITY_UNKNOWN), "unknown");
  EXPECT_EQ(to_text(static_cast<pb::Severity>(99)), "unknown");
  EXPECT_EQ(to_text(pb::ALERT_OPEN), "open");
  EXPECT_EQ(to_text(static_cast<pb::AlertState>(99)), "unknown");
}

TEST(AlertColumns, EveryTableHasItsTimeColumn) {
  for (const TableInfo& table : tables()) {
    bool found = table.time_column.empty();
    for (const ColumnInfo& column : table.columns)
      found = found || (column.name == table.time_column && column.indexed);
    EXPECT_TRUE(found) << table.name;
  }
}

}  // namespace
}  // namespace de::schema
