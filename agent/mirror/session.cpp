#include "mirror/session.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/rule_text.h"
#include "mirror/charge.h"
#include "mirror/complaint.h"
#include "mirror/database.h"
#include "mirror/execution.h"
#include "mirror/foreign_table.h"
#include "mirror/functions.h"
#include "mirror/gate.h"
#include "mirror/host_table.h"
#include "mirror/live_table.h"
#include "mirror/mirror.h"
#include "mirror/plan.h"
#include "mirror/stored_table.h"

namespace de::mirror {
namespace {

std::vector<std::string> sorted(const std::set<std::string>& names) { return {names.begin(), names.end()}; }

}  // namespace

class Session::Impl {
 public:
  Impl(Origin origin, const Clock& clock, const StoredSource* source, const HostSource* host_source)
      : max_sql_bytes_(origin == Origin::AdHoc ? kAdHocSqlBytes : kMaxRuleSqlBytes), clock_(clock) {
    stored.source = source;
    host.source = host_source;
  }

  Result<> open();
  Result<> load(std::shared_ptr<const Image> next);
  Result<Outcome> run(std::string_view sql, std::span<const Value> params, const Budget& budget,
                      const OnColumns& on_columns, const OnRow& on_row);
  Result<Statement> validate(std::string_view sql);
  Result<Explanation> explain(std::string_view sql);
  Result<ColumnNeeds> needs(std::string_view sql, bool of_history);

  std::shared_ptr<const Image> image;
  StoredTables stored;  // Before db_: outlives it.
  HostTables host;      // Likewise.
  ForeignView foreign;  // Likewise.
  LiveView live;        // Likewise.

 private:
  Result<Stmt> admit(std::string_view sql, const Charge& charge, const Budget& budget) {
    stored.start();
    host.start();
    foreign.start();
    live.start();
    auto stmt = mirror::admit(db_.get(), gate_, sql, max_sql_bytes_, charge, budget);
    if (!stmt) return fail(explain_absence(std::move(stmt).error()));
    return stmt;
  }
  Error explain_absence(Error error) const;
  void note_untold_columns(std::string_view sql, std::vector<pb::Reason>& missing) const;
  Result<Outcome> step(sqlite3_stmt* stmt, Charge& charge, const Budget& budget, const OnRow& on_row);
  Result<Statement> describe(std::string_view sql, sqlite3_stmt* stmt);

  const std::size_t max_sql_bytes_;
  const Clock& clock_;
  Db db_;
  Gate gate_;
  bool busy_ = false;
  std::unique_ptr<NeedFinder> finder_;  // Made when it is asked for.
};

Result<> Session::Impl::open() {
  DE_TRY(db, open_memory_db());
  db_ = std::move(db);
  DE_CHECK(exec(db_.get(), "PRAGMA temp_store=MEMORY"));  // Sorters would spill into files otherwise.
  DE_CHECK(exec(db_.get(), "ATTACH ':memory:' AS processes"));
  DE_CHECK(add_text_functions(db_.get()));
  DE_CHECK(add_like_functions(db_.get()));
  DE_CHECK(add_regex_functions(db_.get()));
  DE_CHECK(add_stored_modules(db_.get(), stored));
  DE_CHECK(add_host_modules(db_.get(), host));
  DE_CHECK(foreign.add_module(db_.get()));
  DE_CHECK(add_live_modules(db_.get(), live));
  gate_.allow(&foreign);
  DE_CHECK(Gate::harden(db_.get(), max_sql_bytes_));
  DE_TRY(empty, empty_image());
  return load(std::move(empty));
}

Result<> Session::Impl::load(std::shared_ptr<const Image> next) {
  // SQLite accepts a swap under a running statement and crashes later (seen): never try.
  if (busy_ || sqlite3_next_stmt(db_.get(), nullptr) != nullptr)
    return fail(Errc::Conflict, "load snapshot: a statement is running");
  Gate::detach(db_.get());
  const auto size = static_cast<sqlite3_int64>(next->size_bytes);
  const int rc =
      sqlite3_deserialize(db_.get(), "processes", next->bytes.get(), size, size, SQLITE_DESERIALIZE_READONLY);
  Result<> done;
  if (rc != SQLITE_OK)
    done = fail(Errc::Io, std::string("load snapshot: ") + sqlite3_errstr(rc));
  else
    // The page cache copies what it reads from the image; a small one is enough.
    done = exec(db_.get(), "PRAGMA processes.cache_size=-256");
  if (done) done = connect_stored_tables(db_.get(), "processes");
  if (done) done = connect_host_tables(db_.get(), "processes");
  if (done) done = connect_live_tables(db_.get(), "processes");
  if (done) done = foreign.show(db_.get(), next->foreign);
  gate_.attach(db_.get());
  if (done) image = std::move(next);  // Kept as long as SQLite points into it.
  return done;
}

Result<Outcome> Session::Impl::run(std::string_view sql, std::span<const Value> params, const Budget& budget,
                                   const OnColumns& on_columns, const OnRow& on_row) {
  if (busy_) return fail(Errc::Conflict, "run query: one is running in this session");
  const std::int64_t start_ns = clock_.steady_ns();
  Meter meter(db_.get(), busy_, clock_, budget);
  Charge& charge = meter.charge;
  DE_TRY(stmt, admit(sql, charge, budget));
  const int wanted = sqlite3_bind_parameter_count(stmt.get());
  if (static_cast<std::size_t>(wanted) != params.size())
    return fail(Errc::Invalid, "the statement has " + std::to_string(wanted) + " parameters, " +
                                   std::to_string(params.size()) + " were given");
  for (int i = 0; i < wanted; ++i)
    if (bind_value(stmt.get(), i + 1, params[static_cast<std::size_t>(i)]) != SQLITE_OK)
      return fail(complaint_at_step(db_.get(), {}, charge, budget));

  on_columns(column_names(stmt.get()));
  DE_TRY(outcome, step(stmt.get(), charge, budget, on_row));
  outcome.elapsed_us = static_cast<std::uint64_t>(clock_.steady_ns() - start_ns) / 1'000;
  return outcome;
}

// A table that was told once and is not told now is no mistake of who asks.
Error Session::Impl::explain_absence(Error error) const {
  constexpr std::string_view kAbsent = "no such table: ";
  const std::string& what = error.what();
  if (!foreign.tables() || !what.starts_with(kAbsent)) return error;
  const std::string_view name =
      std::string_view(what).substr(kAbsent.size(), what.find_first_of(" ;(", kAbsent.size()) - kAbsent.size());
  const GoneTable* gone = foreign.tables()->find_gone(name);
  if (gone == nullptr) return error;
  return {Errc::NotFound, "table " + gone->name + " is told by collector " + gone->collector +
                              ", which has been gone since " + std::string(to_iso8601(gone->since_ms).text)};
}

// Who writes `*` does not ask for a column in particular.
void Session::Impl::note_untold_columns(std::string_view sql, std::vector<pb::Reason>& missing) const {
  if (foreign.tables() == nullptr) return;
  for (const std::string& column : foreign.tables()->on_demand) {
    if (!gate_.columns().contains("processes.history." + column) || sql.find(column) == std::string_view::npos)
      continue;
    pb::Reason& reason = missing.emplace_back();
    reason.set_reason("SchemaUnavailable");
    reason.set_detail("processes.history has " + column + " of those snapshots only for which somebody asked for it");
  }
  for (const std::string& column : foreign.tables()->untold) {
    const std::string_view bare = std::string_view(column).substr(column.rfind('.') + 1);
    if (!gate_.columns().contains(column) || sql.find(bare) == std::string_view::npos) continue;
    pb::Reason& reason = missing.emplace_back();
    reason.set_reason("SchemaUnavailable");
    reason.set_detail("no collector tells " + column + " at present");
  }
}

Result<Outcome> Session::Impl::step(sqlite3_stmt* stmt, Charge& charge, const Budget& budget, const OnRow& on_row) {
  std::vector<Value> row;
  auto outcome = step_all(db_.get(), stmt, gate_, charge, budget, row, on_row);
  if (!outcome && stored.error && stored.error->code() != Errc::Timeout) return fail(std::move(*stored.error));
  if (!outcome && host.error && host.error->code() != Errc::Timeout) return fail(std::move(*host.error));
  if (!outcome) return outcome;
  outcome->missing = std::move(host.missing);
  std::ranges::move(foreign.missing, std::back_inserter(outcome->missing));
  std::ranges::move(live.missing, std::back_inserter(outcome->missing));
  outcome->wanted.assign(live.wanted.begin(), live.wanted.end());
  note_untold_columns(sqlite3_sql(stmt), outcome->missing);
  for (const StoredTableName& known : kStoredTableNames) {
    const StoredTables::Span seen = stored.seen(known.table);
    if (seen.looks > 0) outcome->stored.push_back({known.public_name, seen.from_ms, seen.to_ms, seen.rows, seen.looks});
    if (stored.source == nullptr || seen.is_empty()) continue;
    DE_TRY(missing, stored.source->missing(known.table, seen.from_ms, seen.to_ms));
    outcome->missing.insert(outcome->missing.end(), std::make_move_iterator(missing.begin()),
                            std::make_move_iterator(missing.end()));
  }
  return outcome;
}

Result<Statement> Session::Impl::describe(std::string_view sql, sqlite3_stmt* stmt) {
  Statement out;
  out.columns = column_names(stmt);
  out.parameters = sqlite3_bind_parameter_count(stmt);
  out.tables = sorted(gate_.tables());
  out.columns_used = sorted(gate_.columns());
  out.functions = sorted(gate_.functions());
  gate_.start();  // It counts, and each look is a statement of its own.
  DE_CHECK(look_at_program(db_.get(), sql, out));
  return out;
}

Result<Statement> Session::Impl::validate(std::string_view sql) {
  if (busy_) return fail(Errc::Conflict, "validate query: one is running in this session");
  Meter meter(db_.get(), busy_, clock_, kValidateBudget);
  DE_TRY(stmt, admit(sql, meter.charge, kValidateBudget));
  return describe(sql, stmt.get());
}

Result<Explanation> Session::Impl::explain(std::string_view sql) {
  if (busy_) return fail(Errc::Conflict, "explain query: one is running in this session");
  Meter meter(db_.get(), busy_, clock_, kValidateBudget);
  DE_TRY(stmt, admit(sql, meter.charge, kValidateBudget));
  Explanation out;
  DE_TRY(statement, describe(sql, stmt.get()));
  out.statement = std::move(statement);
  gate_.start();
  DE_CHECK(read_plan(db_.get(), sql, out));
  return out;
}

Result<ColumnNeeds> Session::Impl::needs(std::string_view sql, bool of_history) {
  if (busy_) return fail(Errc::Conflict, "look at query: one is running in this session");
  Meter meter(db_.get(), busy_, clock_, kValidateBudget);
  DE_CHECK(admit(sql, meter.charge, kValidateBudget));
  if (!finder_) {
    DE_TRY(made, NeedFinder::create());
    finder_ = std::move(made);
  }
  return finder_->find(sql, sorted(gate_.columns()), of_history);
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::create(Origin origin, const Clock& clock, const StoredSource* stored,
                                                 const HostSource* host) {
  auto impl = std::make_unique<Impl>(origin, clock, stored, host);
  if (auto opened = impl->open(); !opened) return fail(std::move(opened).error().during("open SQL session"));
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

Result<> Session::load(std::shared_ptr<const Image> image) { return impl_->load(std::move(image)); }
const std::shared_ptr<const Image>& Session::image() const { return impl_->image; }
void Session::see_live(std::shared_ptr<const LiveRows> rows, std::size_t max_wanted) {
  impl_->live.rows = std::move(rows);
  impl_->live.max_wanted = max_wanted;
}
void Session::see_stored(std::int64_t from_ms, std::int64_t to_ms) {
  impl_->stored.from_ms = from_ms;
  impl_->stored.to_ms = to_ms;
}
void Session::see_traces_of(std::shared_ptr<const std::set<std::string>> rules) {
  impl_->stored.traces_of = std::move(rules);
}
Result<Outcome> Session::run(std::string_view sql, std::span<const Value> params, const Budget& budget,
                             const OnColumns& on_columns, const OnRow& on_row) {
  return impl_->run(sql, params, budget, on_columns, on_row);
}
Result<Statement> Session::validate(std::string_view sql) { return impl_->validate(sql); }
Result<Explanation> Session::explain(std::string_view sql) { return impl_->explain(sql); }

Result<ColumnNeeds> Session::needs(std::string_view sql, bool of_history) { return impl_->needs(sql, of_history); }

}  // namespace de::mirror
