#include "mirror/snapshot_schema.h"

#include "daemoneye/schema/process_columns.h"
#include "mirror/host_table.h"
#include "mirror/live_table.h"
#include "mirror/stored_table.h"

namespace de::mirror {
namespace {

std::string quoted(std::string_view name) { return '"' + std::string(name) + '"'; }

using ProcessColumn = schema::Column<pb::ProcessRecord>;

bool is_metric(const ProcessColumn& column) { return column.change == schema::Change::Metric; }

// Both tables have the pid as their key.
bool belongs(const ProcessColumn& column, bool metrics) { return column.name == "pid" || is_metric(column) == metrics; }

std::string table_sql(std::string_view table, bool metrics) {
  std::string sql = "CREATE TABLE " + std::string(table) + "(";
  for (const auto& column : schema::process_columns()) {
    if (!belongs(column, metrics)) continue;
    if (sql.back() != '(') sql += ',';
    sql += quoted(column.name) + ' ' + std::string(schema::to_text(column.type));
    if (column.name == "pid") sql += " PRIMARY KEY";
  }
  return sql + ")";
}

std::string insert_sql(std::string_view table, bool metrics) {
  std::string names, marks;
  int number = 0;
  for (const auto& column : schema::process_columns()) {
    ++number;
    if (!belongs(column, metrics)) continue;
    names += (names.empty() ? "" : ",") + quoted(column.name);
    marks += (marks.empty() ? "?" : ",?") + std::to_string(number);
  }
  return "INSERT OR REPLACE INTO " + std::string(table) + "(" + names + ") VALUES(" + marks + ")";
}

std::string view_sql(std::string_view view) {
  const std::string rows(kRowsTable), metrics(kMetricsTable);
  std::string sql = "CREATE VIEW " + std::string(view) + " AS SELECT ";
  for (const auto& column : schema::process_columns()) {
    const std::string name = quoted(column.name);
    sql += is_metric(column) ? "(SELECT " + name + " FROM " + metrics + " WHERE " + metrics + ".\"pid\"=" + rows +
                                   ".\"pid\") AS " + name
                             : name;
    sql += ',';
  }
  const std::string scan = " FROM " + std::string(kScanTable) + ") AS ";
  sql += "(SELECT scan_id" + scan + "scan_id,(SELECT time_ms" + scan + "collection_time_ms,(SELECT time_ms" + scan +
         "collection_time FROM " + rows;
  return sql;
}

Result<> set_pragmas(sqlite3* db) {
  // Debian's build overwrites deleted content by default; here it would only cost time.
  DE_CHECK(exec(db, "PRAGMA secure_delete=OFF"));
  DE_CHECK(exec(db, "PRAGMA temp_store=MEMORY"));
  DE_CHECK(exec(db, "PRAGMA journal_mode=OFF"));
  return exec(db, "PRAGMA cache_size=-512");
}

}  // namespace

Result<> create_snapshot_schema(sqlite3* db) {
  DE_CHECK(set_pragmas(db));
  DE_CHECK(exec(db, table_sql(kRowsTable, false)));
  DE_CHECK(exec(db, table_sql(kMetricsTable, true)));
  for (const auto& column : schema::process_columns()) {
    if (column.index == schema::Index::No || column.name == "pid") continue;
    DE_CHECK(exec(db, "CREATE INDEX de_by_" + std::string(column.name) + " ON " + std::string(kRowsTable) + "(" +
                          quoted(column.name) + ")"));
  }
  DE_CHECK(exec(db, "CREATE TABLE " + std::string(kScanTable) + "(scan_id INTEGER, time_ms INTEGER)"));
  DE_CHECK(exec(db, "INSERT INTO " + std::string(kScanTable) + " VALUES(NULL,NULL)"));
  DE_CHECK(exec(db, view_sql("processes")));
  DE_CHECK(exec(db, view_sql("snapshots")));
  // Only their names are part of an image; every session that opens one brings what is stored with it.
  DE_CHECK(add_stored_modules(db, nothing_stored()));
  DE_CHECK(add_host_modules(db, no_host()));
  DE_CHECK(add_live_modules(db, no_live()));
  DE_CHECK(create_stored_tables(db, "main"));
  DE_CHECK(create_live_tables(db, "main"));
  return create_host_tables(db, "main");
}

std::string insert_row_sql() { return insert_sql(kRowsTable, false); }
std::string insert_metrics_sql() { return insert_sql(kMetricsTable, true); }

Result<> set_scan(sqlite3* db, std::uint64_t scan_id, std::int64_t collection_time_ms) {
  return exec(db, "UPDATE " + std::string(kScanTable) +
                      " SET scan_id=" + std::to_string(static_cast<std::int64_t>(scan_id)) +
                      ", time_ms=" + std::to_string(collection_time_ms));
}

Result<std::shared_ptr<const Image>> publish(sqlite3* db, Image description) {
  sqlite3_int64 size = 0;
  unsigned char* raw = sqlite3_serialize(db, "main", &size, 0);
  if (raw == nullptr) return fail(Errc::Exhausted, "copy the snapshot: out of memory");
  description.bytes = std::shared_ptr<unsigned char>(raw, sqlite3_free);
  description.size_bytes = static_cast<std::size_t>(size);
  return std::make_shared<const Image>(std::move(description));
}

Result<Db> copy_of(const Image& image) {
  DE_TRY(from, open_memory_db());
  DE_TRY(to, open_memory_db());
  const auto size = static_cast<sqlite3_int64>(image.size_bytes);
  if (sqlite3_deserialize(from.get(), "main", image.bytes.get(), size, size, SQLITE_DESERIALIZE_READONLY) != SQLITE_OK)
    return fail(sqlite_error(from.get(), "open the last snapshot"));
  sqlite3_backup* backup = sqlite3_backup_init(to.get(), "main", from.get(), "main");
  if (backup == nullptr) return fail(sqlite_error(to.get(), "copy the last snapshot"));
  (void)sqlite3_backup_step(backup, -1);  // finish() returns its error.
  if (sqlite3_backup_finish(backup) != SQLITE_OK) return fail(sqlite_error(to.get(), "copy the last snapshot"));
  DE_CHECK(set_pragmas(to.get()));
  return std::move(to);
}

}  // namespace de::mirror
