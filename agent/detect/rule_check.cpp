#include <algorithm>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/table.h"
#include "detect/rule_book.h"

namespace de::detect {
namespace {

Error misfit(const Rule& rule, int line, const std::string& what) {
  return {Errc::Invalid,
          escape_controls(rule.place.file) + ":" + std::to_string(line) + ":1: rule " + rule.id + ": " + what};
}

std::vector<std::string_view> views(const std::vector<std::string>& names) { return {names.begin(), names.end()}; }

Result<> check_requirement(const Rule& rule) {
  for (const std::string& name : rule.requires_.tables) {
    if (schema::find_table(name) != nullptr) continue;
    std::vector<std::string_view> known;
    for (const schema::TableInfo& table : schema::tables()) known.push_back(table.name);
    return fail(
        misfit(rule, rule.place.line, "requires.tables: no table " + escape_controls(name) + suggestion(name, known)));
  }
  std::vector<std::string_view> columns;
  for (const schema::TableInfo& table : schema::tables())
    for (const schema::ColumnInfo& column : table.columns) columns.push_back(column.name);
  for (const std::string& name : rule.requires_.columns) {
    // "processes.pid" and "pid" are both common.
    const std::string_view bare = std::string_view(name).substr(name.rfind('.') + 1);
    if (std::find(columns.begin(), columns.end(), bare) == columns.end())
      return fail(misfit(rule, rule.place.line,
                         "requires.columns: no column " + escape_controls(name) + suggestion(bare, columns)));
  }
  return {};
}

// The first table that the statement reads and that has more than what is now; null when there is none.
const schema::TableInfo* first_stored(const mirror::Statement& statement) {
  for (const std::string& name : statement.tables)
    if (const schema::TableInfo* table = schema::find_table(name); table != nullptr && !table->time_column.empty())
      return table;
  return nullptr;
}

// Which runs a rule is fit for: docs/rules.md, "When a rule runs".
Result<> settle_trigger(mirror::BatchSession& batch, const mirror::Statement& statement, Rule& rule) {
  auto shape = batch.shape(rule.statement());
  if (!shape) return fail(misfit(rule, rule.place.sql_line, "sql: " + shape.error().what()));
  rule.aggregates = shape->aggregates;
  const bool reads_events = std::ranges::find(statement.tables, "processes.events") != statement.tables.end();
  const schema::TableInfo* stored = first_stored(statement);
  if (stored == nullptr && rule.window_ms != 0)
    return fail(misfit(rule, rule.place.line, "window: the rule reads nothing that is stored; remove it"));
  if (!rule.on_given) {
    rule.on = Trigger::Snapshot;
    if (shape->row_wise && rule.window_ms == 0) rule.on = reads_events ? Trigger::Event : Trigger::Both;
  }
  if (rule.runs_on_event() && !shape->row_wise)
    return fail(misfit(rule, rule.place.line,
                       "on: " + std::string(to_text(rule.on)) + " is for rules that look at one row at a time, but " +
                           shape->why_not + "; use on: snapshot" + (stored != nullptr ? " and a window" : "")));
  if (stored != nullptr && rule.runs_on_snapshot() && rule.window_ms == 0 && !statement.stored_have_start)
    return fail(misfit(rule, rule.place.line,
                       "the rule reads " + std::string(stored->name) +
                           " without a time limit; add window: 10m, or a lower limit of " +
                           std::string(stored->time_column) + " to its SQL"));
  return {};
}

}  // namespace

Result<CheckSessions> CheckSessions::create(const Clock& clock) {
  DE_TRY(snapshot, mirror::Session::create(mirror::Origin::Rule, clock));
  DE_TRY(batch, mirror::BatchSession::create(clock, {}));
  return CheckSessions{std::move(snapshot), std::move(batch)};
}

Result<mirror::Statement> check_rule(CheckSessions& sessions, Rule& rule) {
  auto statement = sessions.snapshot->validate(rule.statement());
  if (!statement) {
    const std::string why = "sql: " + statement.error().what();
    if (statement.error().code() == Errc::Io) return fail(std::move(statement).error().during("rule " + rule.id));
    return fail(misfit(rule, rule.place.sql_line, why));
  }
  if (statement->parameters != 0) return fail(misfit(rule, rule.place.sql_line, "sql: a rule has no parameters"));
  const auto& columns = statement->columns;
  for (const std::string& key : rule.dedup.keys)
    if (std::find(columns.begin(), columns.end(), key) == columns.end())
      return fail(
          misfit(rule, rule.place.line,
                 "dedup.keys: the result has no column " + escape_controls(key) + suggestion(key, views(columns))));
  DE_CHECK(check_requirement(rule));
  DE_CHECK(settle_trigger(*sessions.batch, *statement, rule));
  rule.tables = statement->tables;
  return statement;
}

}  // namespace de::detect
