#include "daemoneye/schema/table.h"

#include <vector>

#include "daemoneye/schema/alert_columns.h"
#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/host_columns.h"
#include "daemoneye/schema/live_columns.h"
#include "daemoneye/schema/process_columns.h"
#include "daemoneye/schema/scan_columns.h"
#include "daemoneye/schema/trace_columns.h"

namespace de::schema {
namespace {

template <class Record>
void append(std::vector<ColumnInfo>& out, std::span<const Column<Record>> columns) {
  for (const auto& c : columns)
    out.push_back({c.name, c.type, c.unit, c.index == Index::Yes, c.help, c.on_demand == OnDemand::Yes});
}

template <class Record>
const std::vector<ColumnInfo>& infos_of(std::span<const Column<Record>> (*columns)()) {
  static const std::vector<ColumnInfo> infos = [columns] {
    std::vector<ColumnInfo> out;
    append(out, columns());
    return out;
  }();
  return infos;
}

const std::vector<ColumnInfo>& history_infos() {
  static const std::vector<ColumnInfo> infos = [] {
    std::vector<ColumnInfo> out;
    append(out, process_columns());
    for (ColumnInfo& column : out) {
      column.indexed = column.indexed || column.name == "process_uid";
      column.on_demand = false;  // What nobody asked for then is not stored.
    }
    append(out, scan_place_columns());
    return out;
  }();
  return infos;
}

// Scan-wide values are not stored per row: the view adds them. There is one collector of processes at a time.
const std::vector<ColumnInfo>& process_infos() {
  static const std::vector<ColumnInfo> infos = [] {
    std::vector<ColumnInfo> out;
    append(out, process_columns());
    append(out, scan_place_columns().first(3));
    for (ColumnInfo& column : std::span(out).last(3)) column.indexed = false;
    return out;
  }();
  return infos;
}

const std::vector<ColumnInfo>& event_infos() {
  static const std::vector<ColumnInfo> infos = [] {
    std::vector<ColumnInfo> out;
    append(out, event_columns());
    out.push_back(kCollectorColumn);
    return out;
  }();
  return infos;
}

}  // namespace

std::string_view to_text(SqlType type) {
  switch (type) {
    case SqlType::Integer:
      return "INTEGER";
    case SqlType::Real:
      return "REAL";
    case SqlType::Text:
      return "TEXT";
  }
  return "TEXT";
}

std::string_view to_text(Unit unit) {
  switch (unit) {
    case Unit::None:
      return "";
    case Unit::Bytes:
      return "bytes";
    case Unit::UnixMs:
      return "ms since 1970";
    case Unit::Ms:
      return "ms";
    case Unit::Percent:
      return "percent";
  }
  return "";
}

std::span<const TableInfo> tables() {
  static const std::vector<TableInfo> list = [] {
    std::vector<TableInfo> out = {
        {"processes", "The current snapshot, one row per process; also named processes.snapshots", "", process_infos()},
        {"processes.events", "What happened to processes, one row per event; also named events", "event_time_ms",
         event_infos()},
        {"processes.history", "All snapshots that are stored, one row per process and scan; also named history",
         "collection_time_ms", history_infos()},
        {"scans", "The snapshots that are stored, one row each", "collection_time_ms", infos_of(&scan_columns)},
        {"alerts", "The alerts that are stored, one row each", "alert_time_ms", infos_of(&alert_columns)},
        {"traces", "What was read of processes because a rule asked for a trace of them, one row for each thing",
         "time_ms", infos_of(&trace_columns)}};
    for (const TableInfo& table : live_tables()) out.push_back(table);
    for (std::size_t i = 0; i < kHostTables; ++i) out.push_back(host_table_info(static_cast<HostTable>(i)));
    return out;
  }();
  return list;
}

const TableInfo* find_table(std::string_view name) {
  if (name == "processes.snapshots" || name == "snapshots") name = "processes";
  if (name == "events") name = "processes.events";
  if (name == "history") name = "processes.history";
  if (const TableInfo* live = find_live_table(name); live != nullptr) name = live->name;
  for (const TableInfo& table : tables())
    if (table.name == name) return &table;
  return nullptr;
}

}  // namespace de::schema
