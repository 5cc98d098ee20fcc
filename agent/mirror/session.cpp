#include "mirror/session.h"

#include <utility>

#include "mirror/charge.h"
#include "mirror/complaint.h"
#include "mirror/database.h"
#include "mirror/event_table.h"
#include "mirror/functions.h"
#include "mirror/gate.h"
#include "mirror/mirror.h"
#include "mirror/plan.h"

namespace de::mirror {
namespace {

// A VM instruction takes 5-20 ns: often enough to stop within a tenth of a millisecond, too seldom to be measured.
constexpr int kStepsPerClockLook = 1'000;
// Numbers and NULLs count against the byte cap too.
constexpr std::size_t kPlainValueBytes = 8;
// Looking at a statement without running it.
constexpr Budget kValidateBudget{1'000, 32UL << 20, 0, 0};

int on_progress(void* charge) { return static_cast<Charge*>(charge)->is_late() ? 1 : 0; }

// While alive, the session is busy and what it does is charged. Statements must be gone before it is.
class Meter {
 public:
  Meter(sqlite3* db, bool& busy, const Clock& clock, const Budget& budget)
      : charge{&clock, budget.memory_bytes, clock.steady_ns() + budget.time_ms * 1'000'000},
        db_(db),
        busy_(busy),
        scope_(charge) {
    busy_ = true;
    sqlite3_progress_handler(db_, kStepsPerClockLook, on_progress, &charge);
  }
  ~Meter() {
    sqlite3_progress_handler(db_, 0, nullptr, nullptr);
    busy_ = false;
  }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  Charge charge;

 private:
  sqlite3* db_;
  bool& busy_;
  ChargeScope scope_;
};

Value read_value(sqlite3_stmt* stmt, int column) {
  const auto bytes = [&](const void* data) {
    return data == nullptr ? std::string_view{}
                           : std::string_view(static_cast<const char*>(data),
                                              static_cast<std::size_t>(sqlite3_column_bytes(stmt, column)));
  };
  switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
      return static_cast<std::int64_t>(sqlite3_column_int64(stmt, column));
    case SQLITE_FLOAT:
      return sqlite3_column_double(stmt, column);
    case SQLITE_TEXT:
      return bytes(sqlite3_column_text(stmt, column));
    case SQLITE_BLOB:
      return Blob{bytes(sqlite3_column_blob(stmt, column))};
    default:
      return {};
  }
}

std::size_t size_of(const Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return text->size() + kPlainValueBytes;
  if (const auto* blob = std::get_if<Blob>(&value)) return blob->bytes.size() + kPlainValueBytes;
  return kPlainValueBytes;
}

std::vector<std::string> sorted(const std::set<std::string>& names) { return {names.begin(), names.end()}; }

}  // namespace

class Session::Impl {
 public:
  Impl(Origin origin, const Clock& clock, const EventSource* events)
      : max_sql_bytes_(origin == Origin::AdHoc ? kAdHocSqlBytes : kRuleSqlBytes), clock_(clock) {
    this->events.source = events;
  }

  Result<> open();
  Result<> load(std::shared_ptr<const Image> next);
  Result<Outcome> run(std::string_view sql, std::span<const Value> params, const Budget& budget,
                      const OnColumns& on_columns, const OnRow& on_row);
  Result<Statement> validate(std::string_view sql);
  Result<Explanation> explain(std::string_view sql);

  std::shared_ptr<const Image> image;
  EventTables events;  // Before db_: outlives it.

 private:
  // Every measure that stands before the first step; the tests list which attempt each of them stops.
  Result<Stmt> admit(std::string_view sql, Charge& charge, const Budget& budget);
  Result<> refuse_tail(const char* tail, const char* end);
  Result<Outcome> step_all(sqlite3_stmt* stmt, Charge& charge, const Budget& budget, const OnRow& on_row);
  Result<Statement> describe(std::string_view sql, sqlite3_stmt* stmt);

  const std::size_t max_sql_bytes_;
  const Clock& clock_;
  Db db_;
  Gate gate_;
  bool busy_ = false;
};

Result<> Session::Impl::open() {
  DE_TRY(db, open_memory_db());
  db_ = std::move(db);
  DE_CHECK(exec(db_.get(), "PRAGMA temp_store=MEMORY"));  // Sorters would spill into files otherwise.
  DE_CHECK(exec(db_.get(), "ATTACH ':memory:' AS processes"));
  DE_CHECK(add_text_functions(db_.get()));
  DE_CHECK(add_regex_functions(db_.get()));
  DE_CHECK(add_event_module(db_.get(), &events));
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
  // A virtual table is connected when it is first named, which the gate would take for a change of the schema.
  if (done) done = exec(db_.get(), "SELECT 1 FROM processes.events LIMIT 0");
  gate_.attach(db_.get());
  if (done) image = std::move(next);  // Kept as long as SQLite points into it.
  return done;
}

Result<> Session::Impl::refuse_tail(const char* tail, const char* end) {
  while (tail < end) {
    const char* rest = end;
    sqlite3_stmt* raw = nullptr;
    const int rc = sqlite3_prepare_v3(db_.get(), tail, static_cast<int>(end - tail), 0, &raw, &rest);
    const Stmt second(raw);
    if (rc != SQLITE_OK || second) return fail(Errc::Invalid, "only one statement is allowed");
    if (rest == tail) break;  // Blanks and comments are behind us.
    tail = rest;
  }
  return {};
}

Result<Stmt> Session::Impl::admit(std::string_view sql, Charge& charge, const Budget& budget) {
  if (sql.size() > max_sql_bytes_)
    return fail(Errc::Invalid, "the statement is longer than " + std::to_string(max_sql_bytes_ >> 10) + " KiB");
  // SQLite would silently stop reading at the NUL.
  if (sql.find('\0') != std::string_view::npos) return fail(Errc::Invalid, "the statement contains a NUL byte");

  gate_.start();
  events.start();
  const char* tail = nullptr;
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()), 0, &raw, &tail);
  Stmt stmt(raw);
  if (rc != SQLITE_OK) return fail(complaint_at_prepare(db_.get(), sql, gate_.refusal(), charge, budget));
  if (!stmt) return fail(Errc::Invalid, "there is no statement");

  // The lists of what is used belong to the first statement only.
  const Gate first = gate_;
  DE_CHECK(refuse_tail(tail, sql.data() + sql.size()));
  gate_ = first;

  const std::string verb = forbidden_verb(sql);
  if (sqlite3_stmt_isexplain(stmt.get()) != 0)
    return fail(Errc::Invalid, "EXPLAIN is not a query; ask for the plan with --explain");
  if (sqlite3_stmt_readonly(stmt.get()) == 0 || sqlite3_column_count(stmt.get()) == 0)
    return fail(Errc::Invalid,
                (verb.empty() ? std::string("this statement") : verb) + " is not allowed: queries only read");
  return stmt;
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

  std::vector<std::string> names;
  for (int i = 0; i < sqlite3_column_count(stmt.get()); ++i) {
    const char* name = sqlite3_column_name(stmt.get(), i);
    names.emplace_back(name == nullptr ? "" : name);
  }
  on_columns(names);
  DE_TRY(outcome, step_all(stmt.get(), charge, budget, on_row));
  outcome.elapsed_us = static_cast<std::uint64_t>(clock_.steady_ns() - start_ns) / 1'000;
  return outcome;
}

Result<Outcome> Session::Impl::step_all(sqlite3_stmt* stmt, Charge& charge, const Budget& budget, const OnRow& on_row) {
  Outcome outcome;
  std::vector<Value> row(static_cast<std::size_t>(sqlite3_column_count(stmt)));
  std::size_t bytes = 0;
  for (;;) {
    const int rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE) break;
    if (rc != SQLITE_ROW && events.error && events.error->code() != Errc::Timeout)
      return fail(std::move(*events.error));
    if (rc != SQLITE_ROW) return fail(complaint_at_step(db_.get(), gate_.refusal(), charge, budget));
    std::size_t row_bytes = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = read_value(stmt, static_cast<int>(i));
      row_bytes += size_of(row[i]);
    }
    // Reading a value can allocate, and then answers NULL instead of an error.
    if (charge.over_memory || charge.is_late())
      return fail(complaint_at_step(db_.get(), gate_.refusal(), charge, budget));
    if (outcome.rows == budget.rows || bytes + row_bytes > budget.bytes) {
      outcome.truncated = true;
      break;
    }
    bytes += row_bytes;
    ++outcome.rows;
    if (!on_row(row)) {
      outcome.truncated = true;
      break;
    }
  }
  outcome.vm_steps = static_cast<std::uint64_t>(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0));
  sqlite3_reset(stmt);  // Closes the cursors, which then say what they looked at.
  if (events.source != nullptr && events.seen_from_ms < events.seen_to_ms) {
    DE_TRY(missing, events.source->missing(events.seen_from_ms, events.seen_to_ms));
    outcome.missing = std::move(missing);
  }
  return outcome;
}

Result<Statement> Session::Impl::describe(std::string_view sql, sqlite3_stmt* stmt) {
  Statement out;
  for (int i = 0; i < sqlite3_column_count(stmt); ++i) {
    const char* name = sqlite3_column_name(stmt, i);
    out.columns.emplace_back(name == nullptr ? "" : name);
  }
  out.parameters = sqlite3_bind_parameter_count(stmt);
  out.tables = sorted(gate_.tables());
  out.columns_used = sorted(gate_.columns());
  out.functions = sorted(gate_.functions());
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
  DE_CHECK(read_plan(db_.get(), sql, out));
  return out;
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::create(Origin origin, const Clock& clock, const EventSource* events) {
  auto impl = std::make_unique<Impl>(origin, clock, events);
  if (auto opened = impl->open(); !opened) return fail(std::move(opened).error().during("open SQL session"));
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

Result<> Session::load(std::shared_ptr<const Image> image) { return impl_->load(std::move(image)); }
const std::shared_ptr<const Image>& Session::image() const { return impl_->image; }
void Session::see_events_from(std::int64_t from_ms) { impl_->events.from_ms = from_ms; }
Result<Outcome> Session::run(std::string_view sql, std::span<const Value> params, const Budget& budget,
                             const OnColumns& on_columns, const OnRow& on_row) {
  return impl_->run(sql, params, budget, on_columns, on_row);
}
Result<Statement> Session::validate(std::string_view sql) { return impl_->validate(sql); }
Result<Explanation> Session::explain(std::string_view sql) { return impl_->explain(sql); }

}  // namespace de::mirror
