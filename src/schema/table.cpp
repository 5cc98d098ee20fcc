#include "daemoneye/schema/table.h"

#include <array>
#include <vector>

#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"

namespace de::schema {
namespace {

// Scan-wide values are not stored per row: the view adds them.
constexpr ColumnInfo kScanColumns[] = {
    {"scan_id", SqlType::Integer, Unit::None, false, "The scan this row comes from"},
    {"collection_time_ms", SqlType::Integer, Unit::UnixMs, false, "When the scan was taken"},
    {"collection_time", SqlType::Integer, Unit::UnixMs, false, "The same as collection_time_ms"},
};

const std::vector<ColumnInfo>& process_infos() {
  static const std::vector<ColumnInfo> infos = [] {
    std::vector<ColumnInfo> out;
    for (const auto& c : process_columns()) out.push_back({c.name, c.type, c.unit, c.index == Index::Yes, c.help});
    out.insert(out.end(), std::begin(kScanColumns), std::end(kScanColumns));
    return out;
  }();
  return infos;
}

const std::vector<ColumnInfo>& event_infos() {
  static const std::vector<ColumnInfo> infos = [] {
    std::vector<ColumnInfo> out;
    for (const auto& c : event_columns()) out.push_back({c.name, c.type, c.unit, c.index == Index::Yes, c.help});
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
  static const std::array<TableInfo, 2> list = {
      {{"processes", "The current snapshot, one row per process; also named processes.snapshots", process_infos()},
       {"processes.events", "What happened to processes, one row per event; also named events", event_infos()}}};
  return list;
}

const TableInfo* find_table(std::string_view name) {
  if (name == "processes.snapshots" || name == "snapshots") name = "processes";
  if (name == "events") name = "processes.events";
  for (const TableInfo& table : tables())
    if (table.name == name) return &table;
  return nullptr;
}

}  // namespace de::schema
