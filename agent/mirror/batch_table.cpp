#include "mirror/batch_table.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"
#include "mirror/database.h"
#include "mirror/function_args.h"
#include "mirror/host_table.h"
#include "mirror/stored_table.h"
#include "mirror/virtual_table.h"

namespace de::mirror {
namespace {

using schema::Cell;

constexpr double kRows = 100;  // A guess; there is nothing to choose between.
constexpr std::string_view kScanColumns[] = {"scan_id", "collection_time_ms", "collection_time"};

// The columns of a process stand behind those of the event, in both tables in the same order.
std::size_t first_process_column() {
  static const std::size_t first = schema::event_columns().size() - schema::process_columns().size();
  return first;
}

std::string declaration_of(BatchKind kind) {
  const bool events = kind == BatchKind::Events;
  std::string sql = "CREATE TABLE x(";
  const auto columns = schema::event_columns();
  for (const auto& column : columns.subspan(events ? 0 : first_process_column()))
    sql += '"' + std::string(column.name) + "\" " + std::string(schema::to_text(column.type)) + ',';
  if (events) return sql + '"' + std::string(schema::kCollectorColumn.name) + "\" TEXT)";
  for (const std::string_view name : kScanColumns) sql += std::string(name) + " INTEGER,";
  sql.back() = ')';
  return sql;
}

struct BatchVtab : sqlite3_vtab {
  struct Cursor : sqlite3_vtab_cursor {
    int filter(std::string_view, std::span<sqlite3_value* const>) {
      at = 0;
      return settle();
    }
    int next() {
      ++at;
      return settle();
    }
    bool at_end() const { return at >= table_of<BatchVtab>(*this).batch->shown().size(); }
    int column(sqlite3_context* context, int column) const;
    sqlite3_int64 row_id() const;
    int settle();
    std::size_t event() const { return table_of<BatchVtab>(*this).batch->shown()[at]; }

    std::size_t at = 0;  // Among those shown.
  };

  BatchVtab(void* client, std::string_view argument)
      : sqlite3_vtab{},
        batch(static_cast<Batch*>(client)),
        kind(argument == "events" ? BatchKind::Events : BatchKind::Processes) {}
  std::string declaration() const { return declaration_of(kind); }
  // Every row is handed out and SQLite checks it: a few events in memory need no index.
  static int plan(sqlite3_index_info* info) {
    info->estimatedCost = kRows;
    info->estimatedRows = static_cast<sqlite3_int64>(kRows);
    return SQLITE_OK;
  }

  Batch* batch;
  BatchKind kind;
};

int BatchVtab::Cursor::settle() {
  const auto& table = table_of<BatchVtab>(*this);
  const auto shown = table.batch->shown();
  while (at < shown.size() && !table.batch->has_row(table.kind, shown[at])) ++at;
  if (at < shown.size()) table.batch->current = shown[at];
  return SQLITE_OK;
}

// The batch outlives the run, so nothing is copied; but SQL functions want a zero behind a text, and copy when there
// is none. Behind the end of what a message or a literal holds there always is a byte to look at.
void give(sqlite3_context* context, std::string_view text) {
  if (text.data() == nullptr) return give_text(context, {});
  const bool is_ended = text.data()[text.size()] == '\0' && std::memchr(text.data(), 0, text.size()) == nullptr;
  if (is_ended)
    sqlite3_result_text(context, text.data(), -1, SQLITE_STATIC);
  else
    sqlite3_result_text64(context, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void give(sqlite3_context* context, const Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return sqlite3_result_int64(context, *integer);
  if (const auto* real = std::get_if<double>(&cell)) return sqlite3_result_double(context, *real);
  if (const auto* view = std::get_if<std::string_view>(&cell)) return give(context, *view);
  if (const auto* text = std::get_if<std::string>(&cell)) return give_text(context, *text);  // It dies with the cell.
  sqlite3_result_null(context);
}

int BatchVtab::Cursor::column(sqlite3_context* context, int column) const {
  const auto& table = table_of<BatchVtab>(*this);
  const std::size_t row = this->event();
  const EventRow& event = table.batch->at(row);
  const bool events = table.kind == BatchKind::Events;
  const std::size_t place = event_column(table.kind, column);
  const auto columns = schema::event_columns();
  table.batch->note_read(row, place < columns.size() ? place : kNoEventColumn);
  if (place == command_line_column() && event.event->process().command_line_size() > 0)
    give(context, table.batch->command_line(row));
  else if (place < columns.size())
    give(context, columns[place].read(*event.event));
  else if (events)
    give_text(context, event.collector);
  else if (place == columns.size())
    sqlite3_result_null(context);
  else
    sqlite3_result_int64(context, event.event->event_time_ms());
  return SQLITE_OK;
}

sqlite3_int64 BatchVtab::Cursor::row_id() const {
  table_of<BatchVtab>(*this).batch->note_read(event(), kNoEventColumn);
  return static_cast<sqlite3_int64>(event());
}

}  // namespace

std::size_t event_column(BatchKind kind, int column) {
  return static_cast<std::size_t>(column) + (kind == BatchKind::Events ? 0 : first_process_column());
}

void Batch::load(std::span<const EventRow> events) {
  events_ = events;
  shown_.resize(events.size());
  std::iota(shown_.begin(), shown_.end(), 0U);
  read_.assign(events.size(), EventColumns());
  command_lines_.assign(events.size(), std::nullopt);
}

bool Batch::has_row(BatchKind kind, std::size_t index) const {
  return kind == BatchKind::Events ||
         (events_[index].event->event_type() != pb::EVENT_TYPE_EXIT && events_[index].event->has_process());
}

std::string_view Batch::command_line(std::size_t index) {
  std::optional<std::string>& kept = command_lines_[index];
  if (!kept) {
    const Cell cell = schema::event_columns()[command_line_column()].read(*events_[index].event);
    if (const auto* text = std::get_if<std::string>(&cell)) kept = *text;
    if (const auto* view = std::get_if<std::string_view>(&cell)) kept = std::string(*view);
    if (!kept) kept.emplace();
  }
  return *kept;
}

Result<> add_batch_module(sqlite3* db, Batch& batch) {
  if (sqlite3_create_module_v2(db, kBatchModule, VirtualTable<BatchVtab>::module(), &batch, nullptr) != SQLITE_OK)
    return fail(Errc::Exhausted, std::string("add the table of new events: ") + sqlite3_errmsg(db));
  return {};
}

Result<> create_batch_tables(sqlite3* db) {
  for (const std::string table : {"processes(processes)", "snapshots(processes)", "events(events)"}) {
    const std::size_t paren = table.find('(');
    DE_CHECK(exec(db, "CREATE VIRTUAL TABLE processes." + table.substr(0, paren) + " USING " + kBatchModule +
                          table.substr(paren)));
  }
  // The others have no rows here: a statement that reads them is refused for its shape, not for a table it misspelt.
  DE_CHECK(add_stored_modules(db, nothing_stored()));
  DE_CHECK(add_host_modules(db, no_host()));
  DE_CHECK(create_stored_tables(db, "processes"));
  return create_host_tables(db, "processes");
}

}  // namespace de::mirror
