#include "mirror/stored_table.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "daemoneye/crypto/siphash.h"
#include "mirror/database.h"
#include "mirror/function_args.h"
#include "mirror/stored_query.h"

namespace de::mirror {
namespace {

using schema::Cell;

struct Table : sqlite3_vtab {
  StoredTables* tables = nullptr;
  StoredTable which = StoredTable::Events;
  crypto::SipHash hash;
};

struct Cursor : sqlite3_vtab_cursor {
  StoredQuery query;
  NextRows next;
  std::span<const StoredRow> page;
  std::size_t at = 0;
  bool is_reading = false;
  std::optional<std::int64_t> last_ms;  // Of the row it stood on last.
};

Table& table_of(sqlite3_vtab_cursor* cursor) { return *static_cast<Table*>(cursor->pVtab); }
Cursor& own(sqlite3_vtab_cursor* cursor) { return *static_cast<Cursor*>(cursor); }

std::string declaration(StoredTable table) {
  std::string sql;
  for (const schema::ColumnInfo& column : info_of(table).columns)
    sql += (sql.empty() ? "CREATE TABLE x(\"" : ",\"") + std::string(column.name) + "\" " +
           std::string(schema::to_text(column.type));
  return sql + ')';
}

int on_connect(sqlite3* db, void* client, int, const char* const*, sqlite3_vtab** out, char**) {
  const auto& module = *static_cast<const StoredTables::Module*>(client);
  if (const int rc = sqlite3_declare_vtab(db, declaration(module.table).c_str()); rc != SQLITE_OK) return rc;
  auto* table = new (std::nothrow) Table();
  if (table == nullptr) return SQLITE_NOMEM;
  table->tables = module.shared;
  table->which = module.table;
  *out = table;
  return SQLITE_OK;
}

// Not the same function as on_connect: SQLite would take that for a table that exists under the module's name, too.
int on_create(sqlite3* db, void* client, int count, const char* const* words, sqlite3_vtab** out, char** error) {
  return on_connect(db, client, count, words, out, error);
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
  const Table& table = table_of(&cursor);
  const StoredQuery& query = cursor.query;
  if (at_end) {
    table.tables->saw(table.which, {query.from_ms, query.to_ms});
  } else if (query.table != StoredTable::Events) {
    // The others do not come by time.
    if (cursor.last_ms) table.tables->saw(table.which, {query.from_ms, query.to_ms});
  } else if (cursor.last_ms) {
    table.tables->saw(table.which, {query.newest_first ? *cursor.last_ms : query.from_ms,
                                    query.newest_first ? query.to_ms : *cursor.last_ms + 1});
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

int advance(Cursor& cursor) {
  if (cursor.at < cursor.page.size()) ++cursor.at;
  if (cursor.at == cursor.page.size()) {
    auto page = cursor.next();
    if (!page) {
      StoredTables& tables = *table_of(&cursor).tables;
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
  cursor.last_ms = time_of(table_of(&cursor).which, cursor.page[cursor.at]);
  return SQLITE_OK;
}

int on_filter(sqlite3_vtab_cursor* raw, int, const char* plan, int count, sqlite3_value** values) {
  Cursor& cursor = own(raw);
  finish(cursor, false);
  const StoredTables* tables = table_of(raw).tables;
  if (tables->source == nullptr) return SQLITE_OK;
  cursor.query = StoredQuery();
  cursor.query.table = table_of(raw).which;
  cursor.query.from_ms = tables->from_ms;
  cursor.query.to_ms = tables->to_ms;
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
  give(context, cell_of(table_of(raw).which, cursor.page[cursor.at], static_cast<std::size_t>(column)));
  return SQLITE_OK;
}

// SQLite takes rows of one statement with the same number for the same row, whichever way it came to them.
int on_rowid(sqlite3_vtab_cursor* raw, sqlite3_int64* out) {
  const Cursor& cursor = own(raw);
  const StoredRow& row = cursor.page[cursor.at];
  const std::string identity = identity_of(table_of(raw).which, row);
  *out = identity.empty() ? reinterpret_cast<std::intptr_t>(row.cells.data())
                          : static_cast<sqlite3_int64>(table_of(raw).hash(identity));
  return SQLITE_OK;
}

int on_plan(sqlite3_vtab* table, sqlite3_index_info* info) {
  return plan_stored(static_cast<const Table*>(table)->which, info);
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

void StoredTables::start() {
  error.reset();
  seen_.fill({});
}

void StoredTables::saw(StoredTable table, Span times) {
  if (times.is_empty()) return;
  Span& seen = seen_[static_cast<std::size_t>(table)];
  const bool first = seen.is_empty();
  seen.from_ms = first ? times.from_ms : std::min(seen.from_ms, times.from_ms);
  seen.to_ms = first ? times.to_ms : std::max(seen.to_ms, times.to_ms);
}

const StoredTables& nothing_stored() {
  static const StoredTables kNothing;
  return kNothing;
}

Result<> add_stored_modules(sqlite3* db, const StoredTables& tables) {
  static const sqlite3_module kModule = make_module();
  for (const StoredTableName& known : kStoredTableNames) {
    // SQLite hands the pointer back as it is; nothing is written through it.
    auto* client = const_cast<StoredTables::Module*>(tables.module(known.table));
    if (sqlite3_create_module_v2(db, known.module, &kModule, client, nullptr) != SQLITE_OK)
      return fail(sqlite_error(db, "add the table " + std::string(known.public_name)));
  }
  return {};
}

Result<> create_stored_tables(sqlite3* db, std::string_view schema) {
  for (const StoredTableName& known : kStoredTableNames)
    DE_CHECK(exec(
        db, "CREATE VIRTUAL TABLE IF NOT EXISTS " + std::string(schema) + "." + known.name + " USING " + known.module));
  return {};
}

Result<> connect_stored_tables(sqlite3* db, std::string_view schema) {
  for (const StoredTableName& known : kStoredTableNames)
    DE_CHECK(exec(db, "SELECT 1 FROM " + std::string(schema) + "." + known.name + " LIMIT 0"));
  return {};
}

}  // namespace de::mirror
