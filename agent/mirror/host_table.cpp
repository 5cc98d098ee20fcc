#include "mirror/host_table.h"

#include <algorithm>

#include "mirror/charge.h"
#include "mirror/database.h"
#include "mirror/function_args.h"
#include "mirror/virtual_table.h"

namespace de::mirror {
namespace {

using schema::HostTable;

constexpr std::size_t kMaxPathBytes = 4'096;  // What the kernel takes.
constexpr std::size_t kToldDirectories = 3;
constexpr int kDatabaseColumn = 1;  // Of `magic`.

struct HostVtab : sqlite3_vtab {
  struct Cursor : sqlite3_vtab_cursor {
    int filter(std::string_view plan, std::span<sqlite3_value* const> values);
    int next() {
      ++at;
      return SQLITE_OK;
    }
    bool at_end() const { return rows == nullptr || at >= rows->size(); }
    int column(sqlite3_context* context, int column) const {
      const HostRow& row = (*rows)[at];
      if (static_cast<std::size_t>(column) < row.size()) give_copy(context, row[static_cast<std::size_t>(column)]);
      return SQLITE_OK;
    }
    // SQLite takes rows with the same number for the same row.
    sqlite3_int64 row_id() const { return reinterpret_cast<std::intptr_t>(&(*rows)[at]); }

    const std::vector<HostRow>* rows = nullptr;
    std::size_t at = 0;
  };

  HostVtab(void* client, std::string_view)
      : sqlite3_vtab{},
        tables(static_cast<const HostTables::Module*>(client)->shared),
        which(static_cast<const HostTables::Module*>(client)->table) {}

  std::string declaration() const { return declaration_of(schema::host_table_info(which).columns); }
  int plan(sqlite3_index_info* info) const;
  void plan_database(sqlite3_index_info* info) const;

  HostTables* tables;
  HostTable which;
};

// `path` is the first column. What it is compared with by another collation is not found by its name.
int HostVtab::plan(sqlite3_index_info* info) const {
  info->estimatedRows = which == HostTable::Users || which == HostTable::Groups ? 50 : 1;
  info->estimatedCost = static_cast<double>(info->estimatedRows);
  if (!schema::is_by_path(which)) return SQLITE_OK;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    const char* collation = sqlite3_vtab_collation(info, i);
    if (constraint.iColumn != 0 || constraint.usable == 0 || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ ||
        collation == nullptr || std::string_view(collation) != "BINARY")
      continue;
    info->aConstraintUsage[i].argvIndex = 1;
    info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    info->estimatedCost = which == HostTable::Magic ? 10'000 : 100;  // The file is read; the kernel is asked.
    plan_database(info);
    return SQLITE_OK;
  }
  return SQLITE_CONSTRAINT;
}

// Who asks for another database than the one that is used is to be told so, not to be given no rows.
void HostVtab::plan_database(sqlite3_index_info* info) const {
  if (which != HostTable::Magic) return;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    if (constraint.iColumn != kDatabaseColumn || constraint.usable == 0 || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ)
      continue;
    info->aConstraintUsage[i].argvIndex = 2;
    return;
  }
}

std::string database_of(const HostRow& row) {
  const auto* path = std::get_if<std::string>(&row[kDatabaseColumn]);
  return path == nullptr ? std::string() : *path;
}

bool is_database(const HostRow& row, sqlite3_value* asked) {
  return sqlite3_value_type(asked) == SQLITE_TEXT && text_of(asked) == database_of(row);
}

int HostVtab::Cursor::filter(std::string_view, std::span<sqlite3_value* const> values) {
  const auto& table = table_of<HostVtab>(*this);
  at = 0;
  if (!schema::is_by_path(table.which))
    rows = table.tables->rows(table.which);
  else if (values.empty() || sqlite3_value_type(values[0]) != SQLITE_TEXT)
    return rows = nullptr, SQLITE_OK;  // No path is a number, a blob or NULL.
  else
    rows = table.tables->named(table.which, text_of(values[0]));
  if (rows != nullptr && !rows->empty() && values.size() > 1 && !is_database(rows->front(), values[1])) {
    table.tables->error = Error(Errc::Invalid, "magic: another database than " + database_of(rows->front()) +
                                                   " is not used; leave magic_db_files out of the conditions");
    rows = nullptr;
  }
  if (rows != nullptr) return SQLITE_OK;
  return table.tables->error && table.tables->error->code() == Errc::Timeout ? SQLITE_INTERRUPT : SQLITE_ERROR;
}

}  // namespace

void HostTables::start() {
  error.reset();
  missing.clear();
  rows_ = {};
  named_ = {};
}

const std::vector<HostRow>* HostTables::rows(HostTable table) {
  auto& kept = rows_[static_cast<std::size_t>(table)];
  if (kept) return &*kept;
  if (source == nullptr) return &kept.emplace();
  auto rows = source->rows(table);
  if (!rows) {
    error = std::move(rows).error().during(std::string(schema::name_of(table)));
    return nullptr;
  }
  if (std::string why = source->why_stale(table); !why.empty()) {
    pb::Reason& reason = missing.emplace_back();
    reason.set_reason("CollectionFailed");
    reason.set_detail(std::move(why));
  }
  return &kept.emplace(std::move(*rows));
}

const std::vector<HostRow>* HostTables::named(HostTable table, std::string_view path) {
  Named& known = named_[static_cast<std::size_t>(table)];
  if (const auto found = known.rows.find(path); found != known.rows.end()) return &found->second;
  static const std::vector<HostRow> kNone;
  if (path.empty() || path.size() >= kMaxPathBytes || path.find('\0') != std::string_view::npos) return &kNone;
  if (source == nullptr) return &kNone;
  const std::string name(schema::name_of(table));
  if (known.rows.size() >= source->max_files()) {
    error = Error(Errc::Invalid, name + ": the statement asks for more than " + std::to_string(source->max_files()) +
                                     " paths (query.max_files); narrow it");
    return nullptr;
  }
  // The kernel may take its time; the clock is looked at between instructions only.
  if (Charge* charge = current_charge(); charge != nullptr && charge->is_late()) {
    error = Error(Errc::Timeout, name + ": out of time");
    return nullptr;
  }
  auto row = source->named(table, path);
  std::vector<HostRow>& kept = known.rows[std::string(path)];
  if (row && *row) kept.push_back(std::move(**row));
  if (row || known.untold.size() >= kToldDirectories) return &kept;
  // What holds for every file is said once.
  const bool is_about_all = row.error().code() == Errc::Unsupported;
  if (known.untold.emplace(is_about_all ? path.substr(0, 0) : path.substr(0, path.rfind('/') + 1)).second) {
    pb::Reason& reason = missing.emplace_back();
    reason.set_reason("CollectionFailed");
    reason.set_detail(name + ": " + row.error().message());
  }
  return &kept;
}

const HostTables& no_host() {
  static const HostTables kNone;
  return kNone;
}

bool is_host_table(std::string_view name) {
  return std::ranges::find(schema::kHostTableNames, name) != schema::kHostTableNames.end();
}

std::vector<std::string> host_modules() {
  std::vector<std::string> out;
  for (const std::string_view name : schema::kHostTableNames) out.push_back("de_" + std::string(name));
  return out;
}

Result<> add_host_modules(sqlite3* db, const HostTables& tables) {
  const auto names = host_modules();
  for (std::size_t i = 0; i < names.size(); ++i) {
    // SQLite hands the pointer back as it is. That without a source is asked for nothing: its tables are only made.
    auto* client = const_cast<HostTables::Module*>(tables.module(static_cast<HostTable>(i)));
    if (sqlite3_create_module_v2(db, names[i].c_str(), VirtualTable<HostVtab>::module(), client, nullptr) != SQLITE_OK)
      return fail(sqlite_error(db, "add the table " + names[i].substr(3)));
  }
  return {};
}

Result<> create_host_tables(sqlite3* db, std::string_view schema) {
  for (const std::string_view name : schema::kHostTableNames)
    DE_CHECK(exec(db, "CREATE VIRTUAL TABLE IF NOT EXISTS " + std::string(schema) + ".\"" + std::string(name) +
                          "\" USING de_" + std::string(name)));
  return {};
}

Result<> connect_host_tables(sqlite3* db, std::string_view schema) {
  for (std::size_t i = 0; i < schema::kHostTables; ++i) {
    const auto table = static_cast<HostTable>(i);
    DE_CHECK(exec(db, "SELECT 1 FROM " + std::string(schema) + ".\"" + std::string(schema::name_of(table)) +
                          "\" WHERE " + (schema::is_by_path(table) ? "path=''" : "1") + " LIMIT 0"));
  }
  return {};
}

}  // namespace de::mirror
