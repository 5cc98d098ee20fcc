// What SQL is told about a stored table and each of its rows.
//
// Thread: any (pure functions).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/schema/table.h"
#include "mirror/stored_source.h"

namespace de::mirror {

struct StoredTableName {
  StoredTable table;
  const char* name;              // In the schema `processes`: "events".
  const char* module;            // Nobody can read a table through this name.
  std::string_view public_name;  // As in schema::tables().
};
constexpr std::array<StoredTableName, kStoredTables> kStoredTableNames = {
    {{StoredTable::Events, "events", "de_events", "processes.events"},
     {StoredTable::History, "history", "de_history", "processes.history"},
     {StoredTable::Scans, "scans", "de_scans", "scans"},
     {StoredTable::Alerts, "alerts", "de_alerts", "alerts"},
     {StoredTable::Traces, "traces", "de_traces", "traces"}}};

constexpr const StoredTableName& name_of(StoredTable table) {
  return kStoredTableNames[static_cast<std::size_t>(table)];
}
// By the name in the schema; null when there is none.
const StoredTableName* find_stored_table(std::string_view name);
const schema::TableInfo& info_of(StoredTable table);

// What must be read of an event for the column with this number.
schema::EventParts event_parts(std::size_t column);

schema::Cell cell_of(StoredTable table, const StoredRow& row, std::size_t column);
// What the table's time column shows.
std::int64_t time_of(StoredTable table, const StoredRow& row);
// What tells this row from all others of its table; empty for a row of cells.
std::string identity_of(StoredTable table, const StoredRow& row);

}  // namespace de::mirror
