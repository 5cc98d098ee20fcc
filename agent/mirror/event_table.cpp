#include "mirror/event_table.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "daemoneye/crypto/siphash.h"
#include "daemoneye/schema/event_columns.h"
#include "mirror/event_query.h"
#include "mirror/function_args.h"

namespace de::mirror {
namespace {

using schema::Cell;

struct Table : sqlite3_vtab {
  EventTables* tables = nullptr;
  crypto::SipHash hash;
};

struct Cursor : sqlite3_vtab_cursor {
  EventQuery query;
  NextEvents next;
  std::span<const EventRow> page;
  std::size_t at = 0;
  bool is_reading = false;
  std::optional<std::int64_t> last_ms;  // Of the row it stood on last.
};

Table& table_of(sqlite3_vtab_cursor* cursor) { return *static_cast<Table*>(cursor->pVtab); }
Cursor& own(sqlite3_vtab_cursor* cursor) { return *static_cast<Cursor*>(cursor); }

std::string declaration() {
  std::string sql = "CREATE TABLE x(";
  for (const auto& column : schema::event_columns())
    sql += '"' + std::string(column.name) + "\" " + std::string(schema::to_text(column.type)) + ',';
  return sql + '"' + std::string(schema::kCollectorColumn.name) + "\" TEXT)";
}

int on_connect(sqlite3* db, void* tables, int, const char* const*, sqlite3_vtab** out, char**) {
  if (const int rc = sqlite3_declare_vtab(db, declaration().c_str()); rc != SQLITE_OK) return rc;
  auto* table = new (std::nothrow) Table();
  if (table == nullptr) return SQLITE_NOMEM;
  table->tables = static_cast<EventTables*>(tables);
  *out = table;
  return SQLITE_OK;
}

// Not the same function as on_connect: SQLite would take that for a table that exists under the module's name, too.
int on_create(sqlite3* db, void* tables, int count, const char* const* words, sqlite3_vtab** out, char** error) {
  return on_connect(db, tables, count, words, out, error);
}

int on_disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

int on_open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = new (std::nothrow) Cursor();
  return *out == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

// What a reading looked at counts even when it was left half-way: up to the last row.
void finish(Cursor& cursor, bool at_end) {
  if (!std::exchange(cursor.is_reading, false)) return;
  EventTables& tables = *table_of(&cursor).tables;
  const EventQuery& query = cursor.query;
  if (at_end) {
    tables.saw(query.from_ms, query.to_ms);
  } else if (cursor.last_ms) {
    tables.saw(query.newest_first ? *cursor.last_ms : query.from_ms,
               query.newest_first ? query.to_ms : *cursor.last_ms + 1);
  }
  cursor.next = nullptr;
  cursor.page = {};
  cursor.at = 0;
  cursor.last_ms.reset();
}

int on_close(sqlite3_vtab_cursor* cursor) {
  finish(own(cursor), false);
  delete &own(cursor);
  return SQLITE_OK;
}

std::int64_t time_of(const EventRow& row) {
  if (row.event != nullptr) return row.event->event_time_ms();
  static const std::size_t column = [] {
    const auto columns = schema::event_columns();
    return static_cast<std::size_t>(std::ranges::find(columns, "event_time_ms", [](const auto& c) { return c.name; }) -
                                    columns.begin());
  }();
  const auto* time = std::get_if<std::int64_t>(&row.cells[column]);
  return time == nullptr ? 0 : *time;
}

int advance(Cursor& cursor) {
  if (cursor.at < cursor.page.size()) ++cursor.at;
  if (cursor.at == cursor.page.size()) {
    auto page = cursor.next();
    if (!page) {
      EventTables& tables = *table_of(&cursor).tables;
      const bool is_late = page.error().code() == Errc::Timeout;
      if (!tables.error) tables.error = std::move(page).error();
      return is_late ? SQLITE_INTERRUPT : SQLITE_ERROR;
    }
    cursor.page = *page;
    cursor.at = 0;
    if (cursor.page.empty()) {
      finish(cursor, true);
      return SQLITE_OK;
    }
  }
  cursor.last_ms = time_of(cursor.page[cursor.at]);
  return SQLITE_OK;
}

int on_filter(sqlite3_vtab_cursor* raw, int, const char* plan, int count, sqlite3_value** values) {
  Cursor& cursor = own(raw);
  finish(cursor, false);
  const EventTables* tables = table_of(raw).tables;
  if (tables == nullptr || tables->source == nullptr) return SQLITE_OK;
  cursor.query = EventQuery();
  cursor.query.from_ms = tables->from_ms;
  if (!read_constraints(plan, {values, static_cast<std::size_t>(count)}, cursor.query)) return SQLITE_OK;
  cursor.next = tables->source->read(cursor.query);
  cursor.is_reading = true;
  return advance(cursor);
}

int on_next(sqlite3_vtab_cursor* cursor) { return advance(own(cursor)); }
int on_eof(sqlite3_vtab_cursor* cursor) { return own(cursor).is_reading ? 0 : 1; }

// Copied: the page may be gone while SQLite still has the value.
void give(sqlite3_context* context, const Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return sqlite3_result_int64(context, *integer);
  if (const auto* real = std::get_if<double>(&cell)) return sqlite3_result_double(context, *real);
  if (const auto* view = std::get_if<std::string_view>(&cell)) return give_text(context, *view);
  if (const auto* text = std::get_if<std::string>(&cell)) return give_text(context, *text);
  sqlite3_result_null(context);
}

int on_column(sqlite3_vtab_cursor* raw, sqlite3_context* context, int column) {
  const Cursor& cursor = own(raw);
  const EventRow& row = cursor.page[cursor.at];
  const auto at = static_cast<std::size_t>(column);
  const auto columns = schema::event_columns();
  if (at < row.cells.size())
    give(context, row.cells[at]);
  else if (row.event == nullptr)
    sqlite3_result_null(context);
  else if (at < columns.size())
    give(context, columns[at].read(*row.event));
  else
    give_text(context, row.collector);
  return SQLITE_OK;
}

// SQLite takes rows of one statement with the same number for the same row, whichever way it came to them.
int on_rowid(sqlite3_vtab_cursor* raw, sqlite3_int64* out) {
  const Cursor& cursor = own(raw);
  const EventRow& row = cursor.page[cursor.at];
  if (row.event == nullptr) {
    *out = reinterpret_cast<std::intptr_t>(row.cells.data());
    return SQLITE_OK;
  }
  const pb::ProcessEvent& event = *row.event;
  std::string identity(row.collector);
  for (const std::uint64_t number : {event.sequence(), static_cast<std::uint64_t>(event.event_time_ms()),
                                     static_cast<std::uint64_t>(event.event_type())})
    identity += ' ' + std::to_string(number);
  identity += event.process().process_uid();
  *out = static_cast<sqlite3_int64>(table_of(raw).hash(identity));
  return SQLITE_OK;
}

int on_plan(sqlite3_vtab*, sqlite3_index_info* info) { return plan_events(info); }

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

void EventTables::start() {
  error.reset();
  seen_from_ms = seen_to_ms = 0;
}

void EventTables::saw(std::int64_t from, std::int64_t to) {
  if (from >= to) return;
  const bool first = seen_from_ms >= seen_to_ms;
  seen_from_ms = first ? from : std::min(seen_from_ms, from);
  seen_to_ms = first ? to : std::max(seen_to_ms, to);
}

Result<> add_event_module(sqlite3* db, EventTables* tables) {
  static const sqlite3_module kModule = make_module();
  if (sqlite3_create_module_v2(db, kEventModule, &kModule, tables, nullptr) != SQLITE_OK)
    return fail(Errc::Exhausted, std::string("add the table of events: ") + sqlite3_errmsg(db));
  return {};
}

}  // namespace de::mirror
