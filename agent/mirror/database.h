// SQLite's handles as owned values, and the few calls that both the mirror and the sessions need.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/schema/table.h"
#include "mirror/value.h"

namespace de::mirror {

struct CloseDb {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinalizeStmt {
  void operator()(sqlite3_stmt* stmt) const { sqlite3_finalize(stmt); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;
using Stmt = std::unique_ptr<sqlite3_stmt, FinalizeStmt>;

// A private in-memory database. Errors: Io, Exhausted.
Result<Db> open_memory_db();

// Our own statements only. Errors: Io, Exhausted.
Result<> exec(sqlite3* db, const std::string& sql);
Result<Stmt> prepare_own(sqlite3* db, const std::string& sql);
// `words` is EXPLAIN or EXPLAIN QUERY PLAN; the statement has passed the gate. Errors: Invalid.
Result<Stmt> prepare_explain(sqlite3* db, std::string_view words, std::string_view sql);
// Empty for NULL. Borrowed until the next step.
std::string_view text_at(sqlite3_stmt* stmt, int column);
// Steps a statement that returns nothing, and resets it.
Result<> run_once(sqlite3* db, sqlite3_stmt* stmt, std::string_view step);
Result<std::int64_t> read_integer(sqlite3* db, const std::string& sql);

// The text is borrowed until the statement is reset.
int bind_value(sqlite3_stmt* stmt, int index, const Value& value);
int bind_cell(sqlite3_stmt* stmt, int index, const schema::Cell& cell, std::size_t text_cap);

Error sqlite_error(sqlite3* db, std::string_view step);

}  // namespace de::mirror
