// The tables and views of an image, made from the column table of `processes`.
//
// Rows live in `de_rows`, their metrics in `de_metrics`, because those change with every scan and a short row is
// rewritten sooner than a long one; what is the same for a whole scan lives once in `de_scan`. The views `processes`
// and `snapshots` put them together with scalar sub-selects and not with a join, because SQLite does not flatten a join
// on the right side of a LEFT JOIN, and most published detections are LEFT JOINs of processes with itself. A sub-select
// that a statement does not ask for costs nothing.
//
// Thread: any (pure functions over a connection of the caller's).
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "mirror/database.h"
#include "mirror/image.h"

namespace de::mirror {

constexpr std::string_view kRowsTable = "de_rows";
constexpr std::string_view kMetricsTable = "de_metrics";
constexpr std::string_view kScanTable = "de_scan";

// On an empty database. It keeps no journal: after an error or a rollback its content is undefined.
// Errors: Io, Exhausted.
Result<> create_snapshot_schema(sqlite3* db);

// Of both, the parameter of a column is its place in schema::process_columns(), counted from 1. The first takes every
// column that is no metric, the second the metrics and the pid; both replace what is there.
std::string insert_row_sql();
std::string insert_metrics_sql();

Result<> set_scan(sqlite3* db, std::uint64_t scan_id, std::int64_t collection_time_ms);

// The database as it is now. Errors: Exhausted.
Result<std::shared_ptr<const Image>> publish(sqlite3* db, Image description);
// A database to go on from there, as create_snapshot_schema() would have made it. Errors: Exhausted, Io.
Result<Db> copy_of(const Image& image);

}  // namespace de::mirror
