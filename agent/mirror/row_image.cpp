#include "mirror/row_image.h"

#include <optional>
#include <set>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/process_columns.h"
#include "mirror/database.h"
#include "mirror/snapshot_schema.h"

namespace de::mirror {
namespace {

constexpr std::int64_t kFirstFreePid = 1'000'000;

struct ScanValues {
  std::optional<std::int64_t> scan_id;
  std::optional<std::int64_t> time_ms;
};

bool fits(schema::SqlType type, const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return true;
  const bool integer = std::holds_alternative<std::int64_t>(value);
  switch (type) {
    case schema::SqlType::Integer:
      return integer;
    case schema::SqlType::Real:
      return integer || std::holds_alternative<double>(value);
    case schema::SqlType::Text:
      return true;  // A number in a text column becomes its text: `user_id: 0`.
  }
  return false;
}

// Where `name` is in the column table, or nothing.
std::optional<std::size_t> position(std::string_view name) {
  const auto columns = schema::process_columns();
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == name) return i;
  return std::nullopt;
}

Error unknown_column(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& column : schema::find_table("processes")->columns) names.push_back(column.name);
  return {Errc::Invalid, "no column \"" + std::string(name) + "\" in processes" + suggestion(name, names)};
}

// Takes the value if `name` is scan-wide; the answer tells whether it was.
Result<bool> take_scan_value(const std::string& name, const Value& value, ScanValues& scan) {
  const bool is_id = name == "scan_id";
  if (!is_id && name != "collection_time_ms" && name != "collection_time") return false;
  std::optional<std::int64_t>& slot = is_id ? scan.scan_id : scan.time_ms;
  const auto* integer = std::get_if<std::int64_t>(&value);
  if (integer == nullptr) return fail(Errc::Invalid, name + " must be an integer");
  if (slot && *slot != *integer) return fail(Errc::Invalid, name + " must be the same in all rows");
  slot = *integer;
  return true;
}

Result<> bind_row(sqlite3_stmt* insert, sqlite3_stmt* metrics, const NamedRow& row, std::set<std::int64_t>& pids,
                  std::int64_t& next_free, ScanValues& scan) {
  sqlite3_clear_bindings(insert);
  sqlite3_clear_bindings(metrics);
  std::optional<std::int64_t> pid;
  for (const auto& [name, value] : row) {
    DE_TRY(taken, take_scan_value(name, value, scan));
    if (taken) continue;
    const auto at = position(name);
    if (!at) return fail(unknown_column(name));
    const auto& column = schema::process_columns()[*at];
    if (!fits(column.type, value))
      return fail(Errc::Invalid, name + " must be of type " + std::string(schema::to_text(column.type)));
    if (name == "pid" && std::holds_alternative<std::int64_t>(value)) pid = std::get<std::int64_t>(value);
    sqlite3_stmt* const into = column.change == schema::Change::Metric ? metrics : insert;
    if (bind_value(into, static_cast<int>(*at) + 1, value) != SQLITE_OK)
      return fail(Errc::Exhausted, name + ": value too large");
  }
  if (!pid) pid = next_free++;
  for (sqlite3_stmt* into : {insert, metrics}) sqlite3_bind_int64(into, static_cast<int>(*position("pid")) + 1, *pid);
  if (!pids.insert(*pid).second) return fail(Errc::Invalid, "pid " + std::to_string(*pid) + " appears twice");
  return {};
}

}  // namespace

Result<std::shared_ptr<const Image>> image_from_rows(std::span<const NamedRow> rows, std::int64_t now_ms) {
  DE_TRY(db, open_memory_db());
  DE_CHECK(create_snapshot_schema(db.get()));
  ScanValues scan;
  {
    DE_TRY(insert, prepare_own(db.get(), insert_row_sql()));
    DE_TRY(metrics, prepare_own(db.get(), insert_metrics_sql()));
    std::set<std::int64_t> pids;
    std::int64_t next_free = kFirstFreePid;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (auto bound = bind_row(insert.get(), metrics.get(), rows[i], pids, next_free, scan); !bound)
        return fail(std::move(bound).error().during("row " + std::to_string(i + 1)));
      DE_CHECK(run_once(db.get(), insert.get(), "write row"));
      DE_CHECK(run_once(db.get(), metrics.get(), "write metrics"));
    }
  }
  Image description;
  description.scan_id = static_cast<std::uint64_t>(scan.scan_id.value_or(1));
  description.scan_time_ms = scan.time_ms.value_or(now_ms);
  description.rows = rows.size();
  description.generation = 1;
  DE_CHECK(set_scan(db.get(), description.scan_id, description.scan_time_ms));
  return publish(db.get(), std::move(description));
}

}  // namespace de::mirror
