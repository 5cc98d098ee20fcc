#include "mirror/database.h"

#include "mirror/as_of.h"
#include "mirror/charge.h"

namespace de::mirror {

Error sqlite_error(sqlite3* db, std::string_view step) {
  const int code = sqlite3_errcode(db) & 0xff;
  const bool exhausted = code == SQLITE_NOMEM || code == SQLITE_FULL;
  return {exhausted ? Errc::Exhausted : Errc::Io, std::string(step) + ": " + sqlite3_errmsg(db)};
}

Result<Db> open_memory_db() {
  DE_CHECK(prepare_library());
  sqlite3* raw = nullptr;
  // NOMUTEX: every connection belongs to one thread at a time.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
  const char* vfs = vfs_with_time();
  if (vfs == nullptr) return fail(Errc::Io, "set up SQLite: it has no clock that can be set");
  const int rc = sqlite3_open_v2(":memory:", &raw, flags, vfs);
  Db db(raw);
  if (rc != SQLITE_OK) return fail(Errc::Exhausted, std::string("open in-memory database: ") + sqlite3_errstr(rc));
  return db;
}

Result<> exec(sqlite3* db, const std::string& sql) {
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return fail(sqlite_error(db, sql.substr(0, 40)));
  return {};
}

Result<Stmt> prepare_own(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  const int rc =
      sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  Stmt stmt(raw);
  if (rc != SQLITE_OK) return fail(sqlite_error(db, "prepare " + sql.substr(0, 40)));
  return stmt;
}

Result<> run_once(sqlite3* db, sqlite3_stmt* stmt, std::string_view step) {
  const int rc = sqlite3_step(stmt);
  if (rc != SQLITE_DONE) {
    Error error = sqlite_error(db, step);
    sqlite3_reset(stmt);
    return fail(std::move(error));
  }
  sqlite3_reset(stmt);
  return {};
}

Result<std::int64_t> read_integer(sqlite3* db, const std::string& sql) {
  DE_TRY(stmt, prepare_own(db, sql));
  if (sqlite3_step(stmt.get()) != SQLITE_ROW) return fail(sqlite_error(db, sql.substr(0, 40)));
  return sqlite3_column_int64(stmt.get(), 0);
}

namespace {

int bind_text(sqlite3_stmt* stmt, int index, std::string_view text) {
  // A null pointer would bind NULL, and an empty string_view may hold one.
  const char* data = text.empty() ? "" : text.data();
  return sqlite3_bind_text64(stmt, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

// Not in the middle of a UTF-8 sequence; at most three bytes are given up for that.
std::string_view cut(std::string_view text, std::size_t cap) {
  if (text.size() <= cap) return text;
  std::size_t end = cap;
  for (int i = 0; i < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U; ++i) --end;
  return text.substr(0, end);
}

}  // namespace

int bind_value(sqlite3_stmt* stmt, int index, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return sqlite3_bind_int64(stmt, index, *integer);
  if (const auto* real = std::get_if<double>(&value)) return sqlite3_bind_double(stmt, index, *real);
  if (const auto* text = std::get_if<std::string_view>(&value)) return bind_text(stmt, index, *text);
  if (const auto* blob = std::get_if<Blob>(&value)) {
    const char* data = blob->bytes.empty() ? "" : blob->bytes.data();
    return sqlite3_bind_blob64(stmt, index, data, blob->bytes.size(), SQLITE_STATIC);
  }
  return sqlite3_bind_null(stmt, index);
}

int bind_cell(sqlite3_stmt* stmt, int index, const schema::Cell& cell, std::size_t text_cap) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return sqlite3_bind_int64(stmt, index, *integer);
  if (const auto* real = std::get_if<double>(&cell)) return sqlite3_bind_double(stmt, index, *real);
  if (const auto* view = std::get_if<std::string_view>(&cell)) return bind_text(stmt, index, cut(*view, text_cap));
  if (const auto* text = std::get_if<std::string>(&cell)) return bind_text(stmt, index, cut(*text, text_cap));
  return sqlite3_bind_null(stmt, index);
}

Result<Stmt> prepare_explain(sqlite3* db, std::string_view words, std::string_view sql) {
  const std::string text = std::string(words) + std::string(sql);
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v3(db, text.data(), static_cast<int>(text.size()), 0, &raw, nullptr);
  Stmt stmt(raw);
  if (rc != SQLITE_OK) return fail(Errc::Invalid, std::string("explain: ") + sqlite3_errmsg(db));
  return stmt;
}

std::string_view text_at(sqlite3_stmt* stmt, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(stmt, column));
  return text == nullptr ? std::string_view{} : std::string_view(text);
}

}  // namespace de::mirror
