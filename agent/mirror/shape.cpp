#include "mirror/shape.h"

#include <algorithm>
#include <set>

#include "mirror/database.h"
#include "mirror/host_table.h"
#include "mirror/stored_row.h"

namespace de::mirror {
namespace {

// lag, lead and the like leave no trace among the instructions that others cannot leave, too.
constexpr std::string_view kWindowFunctions[] = {"cume_dist",    "dense_rank", "first_value", "lag",
                                                 "last_value",   "lead",       "nth_value",   "ntile",
                                                 "percent_rank", "rank",       "row_number"};

constexpr std::string_view kClockFunctions[] = {"current_date", "current_time", "current_timestamp",
                                                "date",         "datetime",     "julianday",
                                                "strftime",     "time",         "unixepoch"};

Result<> look_at_program(sqlite3* db, std::string_view sql, Shape& shape) {
  DE_TRY(stmt, prepare_explain(db, "EXPLAIN ", sql));
  std::set<int> cursors;
  while (sqlite3_step(stmt.get()) == SQLITE_ROW) {
    const std::string_view opcode = text_at(stmt.get(), 1);
    if (opcode == "VOpen") cursors.insert(sqlite3_column_int(stmt.get(), 2));
    if (opcode.starts_with("Agg")) {
      shape.aggregates = true;
      shape.why_not = "it aggregates over rows";
    }
    if (opcode == "DecrJumpZero" || opcode == "OffsetLimit") shape.why_not = "it has a LIMIT or EXISTS";
  }
  if (cursors.size() > 1) shape.why_not = "it combines several rows";
  if (cursors.empty()) shape.why_not = "it reads no table";
  return {};
}

// Everything but a plain loop over the table is taken for something that looks at several rows.
Result<> look_at_plan(sqlite3* db, std::string_view sql, Shape& shape) {
  DE_TRY(stmt, prepare_explain(db, "EXPLAIN QUERY PLAN ", sql));
  while (sqlite3_step(stmt.get()) == SQLITE_ROW) {
    const std::string_view detail = text_at(stmt.get(), 3);
    if (detail.starts_with("SCAN ") && detail.find(" VIRTUAL TABLE INDEX ") != std::string_view::npos) continue;
    if (detail.starts_with("USE TEMP B-TREE FOR ")) {
      shape.gathers = true;
      continue;
    }
    if (shape.why_not.empty()) shape.why_not = "it combines several rows or selects";
  }
  return {};
}

}  // namespace

Result<Shape> look_at_shape(sqlite3* db, std::string_view sql, Gate& gate) {
  Shape shape;
  shape.reads_processes = gate.tables().contains("processes");
  shape.reads_events = gate.tables().contains("processes.events");
  const bool recursive = gate.is_recursive();
  const auto functions = gate.functions(), tables = gate.tables();
  gate.start();  // It counts, and each look is a statement of its own.
  DE_CHECK(look_at_program(db, sql, shape));
  gate.start();
  DE_CHECK(look_at_plan(db, sql, shape));
  for (const StoredTableName& known : kStoredTableNames)
    if (known.table != StoredTable::Events && tables.contains(std::string(known.public_name)))
      shape.why_not = "it looks back in " + std::string(known.public_name);
  for (const std::string& table : tables)
    if (is_host_table(table)) shape.why_not = "it reads " + table;
  if (recursive) shape.why_not = "it is recursive";
  for (const std::string_view window : kWindowFunctions)
    if (functions.contains(std::string(window))) shape.why_not = "it has a window function";
  for (const std::string_view clock : kClockFunctions)
    shape.has_clock = shape.has_clock || functions.contains(std::string(clock));
  shape.row_wise = shape.why_not.empty();
  return shape;
}

}  // namespace de::mirror
