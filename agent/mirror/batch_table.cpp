#include "mirror/batch_table.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>

#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"
#include "mirror/database.h"
#include "mirror/function_args.h"
#include "mirror/stored_table.h"

namespace de::mirror {
namespace {

using schema::Cell;

constexpr double kRows = 100;  // A guess; there is nothing to choose between.
constexpr std::string_view kScanColumns[] = {"scan_id", "collection_time_ms", "collection_time"};

struct Table : sqlite3_vtab {
  Batch* batch = nullptr;
  BatchKind kind = BatchKind::Processes;
};

struct Cursor : sqlite3_vtab_cursor {
  std::size_t at = 0;  // Among those shown.
};

Table& table_of(sqlite3_vtab_cursor* cursor) { return *static_cast<Table*>(cursor->pVtab); }
Cursor& own(sqlite3_vtab_cursor* cursor) { return *static_cast<Cursor*>(cursor); }
std::size_t event_at(sqlite3_vtab_cursor* cursor) { return table_of(cursor).batch->shown()[own(cursor).at]; }

// The columns of a process stand behind those of the event, in both tables in the same order.
std::size_t first_process_column() {
  static const std::size_t first = schema::event_columns().size() - schema::process_columns().size();
  return first;
}

std::string declaration(BatchKind kind) {
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

int on_connect(sqlite3* db, void* batch, int count, const char* const* words, sqlite3_vtab** out, char**) {
  const BatchKind kind = count > 3 && std::string_view(words[3]) == "events" ? BatchKind::Events : BatchKind::Processes;
  if (const int rc = sqlite3_declare_vtab(db, declaration(kind).c_str()); rc != SQLITE_OK) return rc;
  auto* table = new (std::nothrow) Table();
  if (table == nullptr) return SQLITE_NOMEM;
  table->batch = static_cast<Batch*>(batch);
  table->kind = kind;
  *out = table;
  return SQLITE_OK;
}

int on_create(sqlite3* db, void* batch, int count, const char* const* words, sqlite3_vtab** out, char** error) {
  return on_connect(db, batch, count, words, out, error);
}

int on_disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

int on_open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = new (std::nothrow) Cursor();
  return *out == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

int on_close(sqlite3_vtab_cursor* cursor) {
  delete &own(cursor);
  return SQLITE_OK;
}

// Every row is handed out and SQLite checks it: a few events in memory need no index.
int on_plan(sqlite3_vtab*, sqlite3_index_info* info) {
  info->estimatedCost = kRows;
  info->estimatedRows = static_cast<sqlite3_int64>(kRows);
  return SQLITE_OK;
}

int settle(Cursor& cursor) {
  const Table& table = table_of(&cursor);
  Batch& batch = *table.batch;
  const auto shown = batch.shown();
  while (cursor.at < shown.size() && !batch.has_row(table.kind, shown[cursor.at])) ++cursor.at;
  if (cursor.at < shown.size()) batch.current = shown[cursor.at];
  return SQLITE_OK;
}

int on_filter(sqlite3_vtab_cursor* cursor, int, const char*, int, sqlite3_value**) {
  own(cursor).at = 0;
  return settle(own(cursor));
}

int on_next(sqlite3_vtab_cursor* cursor) {
  ++own(cursor).at;
  return settle(own(cursor));
}

int on_eof(sqlite3_vtab_cursor* cursor) { return own(cursor).at >= table_of(cursor).batch->shown().size() ? 1 : 0; }

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

int on_column(sqlite3_vtab_cursor* raw, sqlite3_context* context, int column) {
  const Table& table = table_of(raw);
  const std::size_t row = event_at(raw);
  const EventRow& event = table.batch->at(row);
  const bool events = table.kind == BatchKind::Events;
  const std::size_t at = event_column(table.kind, column);
  const auto columns = schema::event_columns();
  table.batch->note_read(row, at < columns.size() ? at : kNoEventColumn);
  if (at == command_line_column() && event.event->process().command_line_size() > 0)
    give(context, table.batch->command_line(row));
  else if (at < columns.size())
    give(context, columns[at].read(*event.event));
  else if (events)
    give_text(context, event.collector);
  else if (at == columns.size())
    sqlite3_result_null(context);
  else
    sqlite3_result_int64(context, event.event->event_time_ms());
  return SQLITE_OK;
}

int on_rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* out) {
  *out = static_cast<sqlite3_int64>(event_at(cursor));
  table_of(cursor).batch->note_read(event_at(cursor), kNoEventColumn);
  return SQLITE_OK;
}

sqlite3_module make_module() {
  sqlite3_module module{};
  module.iVersion = 2;
  module.xCreate = on_create;
  module.xConnect = on_connect;
  module.xBestIndex = on_plan;
  module.xDisconnect = on_disconnect;
  module.xDestroy = on_disconnect;
  module.xOpen = on_open;
  module.xClose = on_close;
  module.xFilter = on_filter;
  module.xNext = on_next;
  module.xEof = on_eof;
  module.xColumn = on_column;
  module.xRowid = on_rowid;
  return module;
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
  static const sqlite3_module kModule = make_module();
  if (sqlite3_create_module_v2(db, kBatchModule, &kModule, &batch, nullptr) != SQLITE_OK)
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
  return create_stored_tables(db, "processes");
}

}  // namespace de::mirror
