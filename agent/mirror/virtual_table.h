// What every table of ours is to SQLite: its callbacks, once. A Table says
//
//   Table(void* client, std::string_view argument)    what the module was registered with, and its first argument
//   std::string declaration() const                   "CREATE TABLE x(...)"
//   int plan(sqlite3_index_info*)
//   struct Cursor : sqlite3_vtab_cursor with filter(plan, values), next(), at_end(), column(), row_id(); table_of()
//   finds its table, from its destructor too
//
// and each of them answers as SQLite's own callbacks do.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <new>
#include <span>
#include <string>
#include <string_view>

#include "daemoneye/schema/table.h"

namespace de::mirror {

// "CREATE TABLE x(...)" of columns that have a name and a type, as schema::ColumnInfo.
template <class Columns>
std::string declaration_of(const Columns& columns) {
  std::string sql;
  for (const auto& column : columns)
    sql += (sql.empty() ? "CREATE TABLE x(\"" : ",\"") + std::string(column.name) + "\" " +
           std::string(schema::to_text(column.type));
  return sql + ')';
}

template <class Table>
Table& table_of(const sqlite3_vtab_cursor& cursor) {
  return *static_cast<Table*>(cursor.pVtab);
}

template <class Table>
class VirtualTable {
 public:
  static const sqlite3_module* module() {
    static const sqlite3_module kModule = make();
    return &kModule;
  }

 private:
  using Cursor = typename Table::Cursor;
  static Cursor& own(sqlite3_vtab_cursor* cursor) { return *static_cast<Cursor*>(cursor); }

  static int on_connect(sqlite3* db, void* client, int count, const char* const* words, sqlite3_vtab** out, char**) {
    auto* table = new (std::nothrow) Table(client, count > 3 ? std::string_view(words[3]) : std::string_view());
    if (table == nullptr) return SQLITE_NOMEM;
    if (const int rc = sqlite3_declare_vtab(db, table->declaration().c_str()); rc != SQLITE_OK) {
      delete table;
      return rc;
    }
    *out = table;
    return SQLITE_OK;
  }

  // Not the same function as on_connect: SQLite would take that for a table that exists under the module's name, too.
  static int on_create(sqlite3* db, void* client, int count, const char* const* words, sqlite3_vtab** out,
                       char** error) {
    return on_connect(db, client, count, words, out, error);
  }

  static int on_disconnect(sqlite3_vtab* table) {
    delete static_cast<Table*>(table);
    return SQLITE_OK;
  }

  static int on_open(sqlite3_vtab* table, sqlite3_vtab_cursor** out) {
    auto* cursor = new (std::nothrow) Cursor();
    if (cursor == nullptr) return SQLITE_NOMEM;
    cursor->pVtab = table;
    *out = cursor;
    return SQLITE_OK;
  }

  static int on_close(sqlite3_vtab_cursor* cursor) {
    delete &own(cursor);
    return SQLITE_OK;
  }

  static sqlite3_module make() {
    sqlite3_module module{};
    module.iVersion = 2;
    module.xCreate = on_create;
    module.xConnect = on_connect;
    module.xBestIndex = [](sqlite3_vtab* table, sqlite3_index_info* info) {
      return static_cast<Table*>(table)->plan(info);
    };
    module.xDisconnect = on_disconnect;
    module.xDestroy = on_disconnect;
    module.xOpen = on_open;
    module.xClose = on_close;
    module.xFilter = [](sqlite3_vtab_cursor* cursor, int, const char* plan, int count, sqlite3_value** values) {
      return own(cursor).filter(plan == nullptr ? std::string_view() : std::string_view(plan),
                                std::span<sqlite3_value* const>(values, static_cast<std::size_t>(count)));
    };
    module.xNext = [](sqlite3_vtab_cursor* cursor) { return own(cursor).next(); };
    module.xEof = [](sqlite3_vtab_cursor* cursor) { return own(cursor).at_end() ? 1 : 0; };
    module.xColumn = [](sqlite3_vtab_cursor* cursor, sqlite3_context* context, int column) {
      return own(cursor).column(context, column);
    };
    module.xRowid = [](sqlite3_vtab_cursor* cursor, sqlite3_int64* out) {
      *out = own(cursor).row_id();
      return SQLITE_OK;
    };
    return module;
  }
};

}  // namespace de::mirror
