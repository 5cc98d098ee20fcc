#include "mirror/gate.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "daemoneye/base/text.h"
#include "daemoneye/osquery/dialect.h"
#include "daemoneye/schema/sql_functions.h"
#include "daemoneye/schema/table.h"
#include "mirror/batch_table.h"
#include "mirror/foreign_table.h"
#include "mirror/functions.h"
#include "mirror/host_table.h"
#include "mirror/live_table.h"
#include "mirror/snapshot_schema.h"
#include "mirror/stored_table.h"

namespace de::mirror {
namespace {

// A compiled pattern may hold 1 MiB beside SQLite's own memory.
constexpr int kMaxRegexCalls = 32;

struct Limit {
  int which;
  int value;
};
constexpr Limit kLimits[] = {
    {SQLITE_LIMIT_LENGTH, kMaxValueBytes},   {SQLITE_LIMIT_COLUMN, 256},  // `SELECT a.*, b.*` of two processes.
    {SQLITE_LIMIT_EXPR_DEPTH, 250},                                       // Long OR chains; IN lists do not count.
    {SQLITE_LIMIT_COMPOUND_SELECT, 8},       {SQLITE_LIMIT_VDBE_OP, 25'000},     {SQLITE_LIMIT_FUNCTION_ARG, 16},
    {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256}, {SQLITE_LIMIT_VARIABLE_NUMBER, 32}, {SQLITE_LIMIT_TRIGGER_DEPTH, 0},
    {SQLITE_LIMIT_WORKER_THREADS, 0},        {SQLITE_LIMIT_ATTACHED, 0},
};

struct Switch {
  int which;
  int value;
};
constexpr Switch kSwitches[] = {
    {SQLITE_DBCONFIG_DEFENSIVE, 1},
    {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
    {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
    {SQLITE_DBCONFIG_DQS_DML, 0},
    {SQLITE_DBCONFIG_DQS_DDL, 0},
    {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    {SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
};

struct Verb {
  int action;
  std::string_view name;
};
constexpr Verb kVerbs[] = {
    {SQLITE_INSERT, "INSERT"},
    {SQLITE_UPDATE, "UPDATE"},
    {SQLITE_DELETE, "DELETE"},
    {SQLITE_PRAGMA, "PRAGMA"},
    {SQLITE_ATTACH, "ATTACH"},
    {SQLITE_DETACH, "DETACH"},
    {SQLITE_TRANSACTION, "a transaction"},
    {SQLITE_SAVEPOINT, "SAVEPOINT"},
    {SQLITE_ANALYZE, "ANALYZE"},
    {SQLITE_REINDEX, "REINDEX"},
    {SQLITE_ALTER_TABLE, "ALTER TABLE"},
    {SQLITE_CREATE_TABLE, "CREATE TABLE"},
    {SQLITE_CREATE_TEMP_TABLE, "CREATE TABLE"},
    {SQLITE_CREATE_VIEW, "CREATE VIEW"},
    {SQLITE_CREATE_TEMP_VIEW, "CREATE VIEW"},
    {SQLITE_CREATE_INDEX, "CREATE INDEX"},
    {SQLITE_CREATE_TEMP_INDEX, "CREATE INDEX"},
    {SQLITE_CREATE_TRIGGER, "CREATE TRIGGER"},
    {SQLITE_CREATE_TEMP_TRIGGER, "CREATE TRIGGER"},
    {SQLITE_CREATE_VTABLE, "CREATE VIRTUAL TABLE"},
};

std::string_view view_of(const char* text) { return text == nullptr ? std::string_view{} : std::string_view{text}; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

bool is_snapshot_view(std::string_view name) { return name == "processes" || name == "snapshots"; }
// Where no column is needed, the name is reported as it was typed.
bool is_backing_table(std::string_view typed) {
  const std::string name = lower(typed);
  return name == kRowsTable || name == kMetricsTable || name == kScanTable;
}

}  // namespace

std::span<const std::string_view> allowed_functions() { return schema::sql_functions(); }

Result<> Gate::harden(sqlite3* db, std::size_t max_sql_bytes) {
  for (const Switch& s : kSwitches) {
    int now = -1;
    if (sqlite3_db_config(db, s.which, s.value, &now) != SQLITE_OK || now != s.value)
      return fail(Errc::Io, "SQLite does not take switch " + std::to_string(s.which));
  }
  std::vector<const char*> ours = {kBatchModule, kForeignModule};
  for (const StoredTableName& known : kStoredTableNames) ours.push_back(known.module);
  const auto of_host = host_modules();
  for (const std::string& module : of_host) ours.push_back(module.c_str());
  const auto live = live_modules();
  for (const std::string& module : live) ours.push_back(module.c_str());
  ours.push_back(nullptr);
  if (sqlite3_drop_modules(db, ours.data()) != SQLITE_OK) return fail(Errc::Io, "SQLite does not drop its modules");
  // Room for the words with which a statement is explained and for what its dialect puts in front of it; the length
  // itself is checked before SQLite sees it.
  sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, static_cast<int>(max_sql_bytes + osquery::kMaxPreambleBytes) + 64);
  for (const Limit& limit : kLimits) {
    sqlite3_limit(db, limit.which, limit.value);
    if (sqlite3_limit(db, limit.which, -1) > limit.value)
      return fail(Errc::Io, "SQLite does not take limit " + std::to_string(limit.which));
  }
  return {};
}

void Gate::attach(sqlite3* db) { sqlite3_set_authorizer(db, &Gate::authorize, this); }
void Gate::detach(sqlite3* db) { sqlite3_set_authorizer(db, nullptr, nullptr); }

void Gate::start() {
  refusal_.clear();
  tables_.clear();
  columns_.clear();
  functions_.clear();
  regex_calls_ = 0;
  through_view_ = false;
  is_recursive_ = false;
}

int Gate::refuse(std::string reason) {
  if (refusal_.empty()) refusal_ = std::move(reason);
  return SQLITE_DENY;
}

int Gate::read(std::string_view table, std::string_view column, std::string_view schema, std::string_view view) {
  if (is_snapshot_view(table)) {
    tables_.insert("processes");
    if (!column.empty()) columns_.insert("processes." + lower(column));
    return SQLITE_OK;
  }
  if (const StoredTableName* stored = find_stored_table(table); stored != nullptr) {
    tables_.emplace(stored->public_name);
    if (!column.empty()) columns_.insert(std::string(stored->public_name) + "." + lower(column));
    return SQLITE_OK;
  }
  if (is_host_table(table)) {
    tables_.emplace(table);
    if (!column.empty()) columns_.insert(std::string(table) + "." + lower(column));
    return SQLITE_OK;
  }
  if (const schema::TableInfo* live = schema::find_live_table(table); live != nullptr) {
    tables_.emplace(live->name);
    if (!column.empty()) columns_.insert(std::string(live->name) + "." + lower(column));
    return SQLITE_OK;
  }
  if (const ForeignInfo* info = foreign_ == nullptr ? nullptr : foreign_->find(schema, lower(table)); info != nullptr) {
    tables_.insert(info->name);
    if (!column.empty()) columns_.insert(info->name + "." + lower(column));
    return SQLITE_OK;
  }
  // The tables behind the views, reported with the view (as it was typed) that leads there.
  if (is_backing_table(table) && schema == "processes" && is_snapshot_view(lower(view))) {
    through_view_ = true;
    tables_.insert("processes");
    return SQLITE_OK;
  }
  // Where no column of a table is needed (`count(*)`) it is reported without column, schema and view, and so are a CTE
  // and a sub-select. Of the tables that exist only the ones behind a view already entered are let through; any other
  // name that got this far was made by the statement itself.
  const bool known = is_backing_table(table) ? !through_view_ : lower(table).starts_with("sqlite_");
  if (column.empty() && !known) return SQLITE_OK;
  return refuse("table " + std::string(table) + " may not be read; `schema` lists the tables");
}

int Gate::call(std::string_view function) {
  std::string name = lower(function);
  if (!std::ranges::binary_search(schema::sql_functions(), std::string_view(name)))
    return refuse("function " + name + "() is not allowed" + suggestion(name, schema::sql_functions()));
  if (name.starts_with("reg") && ++regex_calls_ > kMaxRegexCalls)
    return refuse("more than " + std::to_string(kMaxRegexCalls) + " regular expressions in one statement");
  functions_.insert(std::move(name));
  return SQLITE_OK;
}

int Gate::authorize(void* self, int action, const char* first, const char* second, const char* schema,
                    const char* view) {
  Gate& gate = *static_cast<Gate*>(self);
  switch (action) {
    case SQLITE_RECURSIVE:
      gate.is_recursive_ = true;
      return SQLITE_OK;
    case SQLITE_SELECT:
      return SQLITE_OK;
    case SQLITE_READ:
      return gate.read(view_of(first), view_of(second), view_of(schema), view_of(view));
    case SQLITE_FUNCTION:
      return gate.call(view_of(second));
    default:
      break;
  }
  // Table-valued functions show up as an update of the schema while their module is connected.
  if (action == SQLITE_UPDATE && view_of(first).starts_with("sqlite_"))
    return gate.refuse("table-valued functions are not allowed");
  for (const Verb& verb : kVerbs)
    if (verb.action == action) return gate.refuse(std::string(verb.name) + " is not allowed: queries only read");
  return gate.refuse("changing the schema is not allowed: queries only read");
}

}  // namespace de::mirror
