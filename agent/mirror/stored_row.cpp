#include "mirror/stored_row.h"

#include <algorithm>

#include "daemoneye/schema/alert_columns.h"
#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"

namespace de::mirror {
namespace {

using schema::Cell;

std::size_t time_column(StoredTable table) {
  static const std::array<std::size_t, kStoredTables> places = [] {
    std::array<std::size_t, kStoredTables> out{};
    for (const StoredTableName& known : kStoredTableNames) {
      const schema::TableInfo& info = info_of(known.table);
      const auto at = std::ranges::find(info.columns, info.time_column, &schema::ColumnInfo::name);
      out[static_cast<std::size_t>(known.table)] = static_cast<std::size_t>(at - info.columns.begin());
    }
    return out;
  }();
  return places[static_cast<std::size_t>(table)];
}

Cell event_cell(const StoredRow& row, std::size_t column) {
  const auto columns = schema::event_columns();
  return column < columns.size() ? columns[column].read(*row.event) : Cell{row.collector};
}

Cell history_cell(const StoredRow& row, std::size_t column) {
  const auto of_process = schema::process_columns();
  if (column < of_process.size()) return of_process[column].read(*row.process);
  return schema::scan_place_columns()[column - of_process.size()].read(*row.scan);
}

}  // namespace

const StoredTableName* find_stored_table(std::string_view name) {
  const auto* found =
      std::ranges::find(kStoredTableNames, name, [](const auto& t) { return std::string_view(t.name); });
  return found == kStoredTableNames.end() ? nullptr : found;
}

schema::EventParts event_parts(std::size_t column) {
  static const std::vector<schema::EventParts> all = [] {
    std::vector<schema::EventParts> out;
    for (const schema::ColumnInfo& each : info_of(StoredTable::Events).columns)
      out.push_back(schema::parts_of(each.name));
    return out;
  }();
  return column < all.size() ? all[column] : schema::kAllParts;
}

const schema::TableInfo& info_of(StoredTable table) { return *schema::find_table(name_of(table).public_name); }

Cell cell_of(StoredTable table, const StoredRow& row, std::size_t column) {
  if (column < row.cells.size()) return row.cells[column];
  if (table == StoredTable::Events && row.event != nullptr) return event_cell(row, column);
  if (table == StoredTable::History && row.process != nullptr) return history_cell(row, column);
  if (table == StoredTable::Scans && row.scan != nullptr) return schema::scan_columns()[column].read(*row.scan);
  if (table == StoredTable::Alerts && row.alert != nullptr) return schema::alert_columns()[column].read(*row.alert);
  if (table == StoredTable::Traces && row.trace != nullptr) return schema::trace_columns()[column].read(*row.trace);
  return {};
}

std::int64_t time_of(StoredTable table, const StoredRow& row) {
  if (row.event != nullptr) return row.event->event_time_ms();
  const Cell cell = cell_of(table, row, time_column(table));
  const auto* time = std::get_if<std::int64_t>(&cell);
  return time == nullptr ? 0 : *time;
}

std::string identity_of(StoredTable table, const StoredRow& row) {
  if (!row.cells.empty()) return {};
  std::string out;
  const auto add = [&out](std::uint64_t number) { out += ' ' + std::to_string(number); };
  if (table == StoredTable::Events && row.event != nullptr) {
    const pb::ProcessEvent& event = *row.event;
    out = row.collector;
    add(event.sequence());
    add(static_cast<std::uint64_t>(event.event_time_ms()));
    add(static_cast<std::uint64_t>(event.event_type()));
    out += event.process().process_uid();
  } else if (table == StoredTable::Alerts && row.alert != nullptr) {
    add(row.alert->sequence());
  } else if (table == StoredTable::Traces && row.trace != nullptr) {
    const pb::Capture& capture = *row.trace->capture;
    out = capture.trace_id() + ' ' + capture.process_uid();
    add(static_cast<std::uint64_t>(capture.time_ms()));
    add(row.trace->place);
  } else if (row.scan != nullptr) {
    out = row.scan->collector;
    add(row.scan->scan_id);
    add(static_cast<std::uint64_t>(row.scan->time_ms));
    if (row.process != nullptr) out += row.process->process_uid();
  }
  return out;
}

}  // namespace de::mirror
