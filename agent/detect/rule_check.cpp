#include <algorithm>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/live_columns.h"
#include "daemoneye/schema/table.h"
#include "detect/rule_book.h"
#include "mirror/auto_join.h"
#include "mirror/mirror.h"

namespace de::detect {
namespace {

Error misfit(const Rule& rule, int line, const std::string& what) {
  return {Errc::Invalid,
          escape_controls(rule.place.file) + ":" + std::to_string(line) + ":1: rule " + rule.id + ": " + what};
}

std::vector<std::string_view> views(const std::vector<std::string>& names) { return {names.begin(), names.end()}; }

// A table that a collector may bring.
bool is_of_collector(std::string_view name) {
  const std::size_t dot = name.find('.');
  return dot != 0 && dot != std::string_view::npos && dot + 1 < name.size() && !name.starts_with("processes.");
}

// Whoever means a table that is not here yet says so.
std::string advice(std::string_view complaint) {
  constexpr std::string_view kAbsent = "no such table: ";
  if (!complaint.starts_with(kAbsent)) return {};
  const std::string_view name =
      complaint.substr(kAbsent.size(), complaint.find_first_of(" ;(", kAbsent.size()) - kAbsent.size());
  if (!is_of_collector(name)) return {};
  return "; if a collector will tell it, add requires: {tables: [" + std::string(name) +
         "]}, and the rule waits for it";
}

Result<> check_requirement(const Rule& rule) {
  for (const std::string& name : rule.requires_.tables) {
    if (schema::find_table(name) != nullptr || is_of_collector(name)) continue;
    std::vector<std::string_view> known;
    for (const schema::TableInfo& table : schema::tables()) known.push_back(table.name);
    return fail(
        misfit(rule, rule.place.line, "requires.tables: no table " + escape_controls(name) + suggestion(name, known)));
  }
  std::vector<std::string_view> columns;
  for (const schema::TableInfo& table : schema::tables())
    for (const schema::ColumnInfo& column : table.columns) columns.push_back(column.name);
  for (const std::string& name : rule.requires_.columns) {
    if (is_of_collector(name.substr(0, name.rfind('.')))) continue;  // Its SQL names them.
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

// With every snapshot it would read all that is stored.
Result<> check_limit(const mirror::Statement& statement, const Rule& rule) {
  const schema::TableInfo* stored = first_stored(statement);
  if (stored == nullptr || rule.window_ms != 0 || statement.stored_have_start) return {};
  return fail(misfit(rule, rule.place.line,
                     "the rule reads " + std::string(stored->name) +
                         " without a time limit; add window: 10m, or a lower limit of " +
                         std::string(stored->time_column) + " to its SQL"));
}

// It runs with every snapshot, and whenever one of its tables is told anew.
Result<> settle_foreign(const mirror::Statement& statement, Rule& rule) {
  if (!rule.on_given) rule.on = Trigger::Snapshot;
  if (rule.runs_on_event())
    return fail(misfit(rule, rule.place.line,
                       "on: " + std::string(to_text(rule.on)) +
                           " is for rules over processes and processes.events alone; use on: snapshot"));
  return check_limit(statement, rule);
}

// A rule reads from processes only where it says so.
Result<> check_live(const mirror::Statement& statement, const std::vector<std::string>& joined, Rule& rule) {
  rule.is_live = false;
  for (const std::string& name : statement.tables) {
    if (schema::find_live_table(name) == nullptr) continue;
    rule.is_live = true;
    if (std::ranges::find(joined, name) == joined.end() &&
        std::ranges::find(rule.auto_joined, name) == rule.auto_joined.end())
      return fail(misfit(rule, rule.place.sql_line,
                         "sql: " + name + " is read from processes each time: write AUTO JOIN " + name +
                             " ... ON ... WHEN ..., which says for which rows"));
  }
  if (!joined.empty()) rule.auto_joined = joined;
  return {};
}

// With every snapshot, or for the new events that its WHEN is true of.
Result<> settle_live(mirror::BatchSession& batch, const mirror::Statement& statement, Rule& rule) {
  const bool reads_events = std::ranges::find(statement.tables, "processes.events") != statement.tables.end();
  if (!rule.on_given)
    rule.on = reads_events && !rule.trigger.empty() && rule.window_ms == 0 ? Trigger::Event : Trigger::Snapshot;
  if (rule.on == Trigger::Both)
    return fail(
        misfit(rule, rule.place.line, "on: both is not for rules with AUTO JOIN; use on: event or on: snapshot"));
  if (rule.on == Trigger::Event) {
    if (!reads_events || rule.trigger.empty())
      return fail(misfit(rule, rule.place.line,
                         "on: event needs FROM processes.events AUTO JOIN ... WHEN ..., which says for which events"));
    auto shape = batch.shape(rule.trigger);
    if (!shape) return fail(misfit(rule, rule.place.sql_line, "WHEN: " + shape.error().what()));
    if (!shape->row_wise)
      return fail(misfit(rule, rule.place.sql_line, "WHEN looks at one event at a time, but " + shape->why_not));
    return {};
  }
  return check_limit(statement, rule);
}

// Which runs a rule is fit for: docs/rules.md, "When a rule runs".
Result<> settle_trigger(mirror::BatchSession& batch, const mirror::Statement& statement, Rule& rule) {
  const auto is_foreign = [](const std::string& name) { return schema::find_table(name) == nullptr; };
  if (rule.is_live) return settle_live(batch, statement, rule);
  if (std::ranges::any_of(statement.tables, is_foreign)) return settle_foreign(statement, rule);
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
  return rule.runs_on_snapshot() ? check_limit(statement, rule) : Result<>();
}

}  // namespace

Result<CheckSessions> CheckSessions::create(const Clock& clock, std::shared_ptr<const mirror::ForeignTables> tables) {
  DE_TRY(snapshot, mirror::Session::create(mirror::Origin::Rule, clock));
  DE_TRY(batch, mirror::BatchSession::create(clock, {}));
  CheckSessions out{std::move(snapshot), std::move(batch)};
  if (tables) DE_CHECK(out.set_tables(std::move(tables)));
  return out;
}

Result<> CheckSessions::set_tables(std::shared_ptr<const mirror::ForeignTables> tables) {
  DE_TRY(empty, mirror::empty_image());
  return snapshot->load(mirror::with_foreign(*empty, std::move(tables)));
}

Result<mirror::Statement> check_rule(CheckSessions& sessions, Rule& rule) {
  rule.unready.clear();
  DE_CHECK(check_requirement(rule));
  auto joined = mirror::rewrite_auto_joins(rule.statement());
  if (!joined) return fail(misfit(rule, rule.place.sql_line, "sql: " + joined.error().what()));
  if (!joined->tables.empty()) {
    rule.translated = joined->sql;
    rule.trigger = joined->trigger;
  }
  auto statement = sessions.snapshot->validate(rule.statement());
  if (!statement) {
    if (statement.error().code() == Errc::Io) return fail(std::move(statement).error().during("rule " + rule.id));
    const auto& foreign = sessions.snapshot->image()->foreign;
    for (const std::string& name : rule.requires_.tables) {
      if (schema::find_table(name) != nullptr || (foreign && foreign->find(name) != nullptr)) continue;
      const mirror::GoneTable* gone = foreign ? foreign->find_gone(name) : nullptr;
      rule.unready = "no collector tells " + escape_controls(name) + " now";
      if (gone != nullptr)
        rule.unready += ": " + gone->collector + " has been gone since " + to_iso8601(gone->since_ms).text;
      rule.tables = rule.requires_.tables;
      return mirror::Statement{};
    }
    return fail(
        misfit(rule, rule.place.sql_line, "sql: " + statement.error().what() + advice(statement.error().what())));
  }
  if (statement->parameters != 0) return fail(misfit(rule, rule.place.sql_line, "sql: a rule has no parameters"));
  const auto& columns = statement->columns;
  for (const std::string& key : rule.dedup.keys)
    if (std::find(columns.begin(), columns.end(), key) == columns.end())
      return fail(
          misfit(rule, rule.place.line,
                 "dedup.keys: the result has no column " + escape_controls(key) + suggestion(key, views(columns))));
  DE_CHECK(check_live(*statement, joined->tables, rule));
  DE_CHECK(settle_trigger(*sessions.batch, *statement, rule));
  rule.tables = statement->tables;
  if (const auto checked = check_trace(rule, columns); !checked)
    return fail(misfit(rule, rule.place.line, checked.error().message()));
  DE_TRY(needs, sessions.snapshot->needs(rule.statement(), true));
  rule.needs = std::move(needs);
  return statement;
}

}  // namespace de::detect
