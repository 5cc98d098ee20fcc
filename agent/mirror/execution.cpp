#include "mirror/execution.h"

#include <utility>

#include "daemoneye/osquery/dialect.h"
#include "mirror/complaint.h"

namespace de::mirror {
namespace {

// A VM instruction takes 5-20 ns: often enough to stop within a tenth of a millisecond, too seldom to be measured.
constexpr int kStepsPerClockLook = 1'000;
// Numbers and NULLs count against the byte cap too.
constexpr std::size_t kPlainValueBytes = 8;

int on_progress(void* charge) { return static_cast<Charge*>(charge)->is_late() ? 1 : 0; }

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

Result<> refuse_tail(sqlite3* db, const char* tail, const char* end) {
  while (tail < end) {
    const char* rest = end;
    sqlite3_stmt* raw = nullptr;
    const int rc = sqlite3_prepare_v3(db, tail, static_cast<int>(end - tail), 0, &raw, &rest);
    const Stmt second(raw);
    if (rc != SQLITE_OK || second) return fail(Errc::Invalid, "only one statement is allowed");
    if (rest == tail) break;  // Blanks and comments are behind us.
    tail = rest;
  }
  return {};
}

}  // namespace

Result<Stmt> admit(sqlite3* db, Gate& gate, std::string_view sql, std::size_t max_sql_bytes, const Charge& charge,
                   const Budget& budget) {
  if (sql.size() - osquery::preamble_of(sql).size() > max_sql_bytes)
    return fail(Errc::Invalid, "the statement is longer than " + std::to_string(max_sql_bytes >> 10) + " KiB");
  // SQLite would silently stop reading at the NUL.
  if (sql.find('\0') != std::string_view::npos) return fail(Errc::Invalid, "the statement contains a NUL byte");

  gate.start();
  const char* tail = nullptr;
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), 0, &raw, &tail);
  Stmt stmt(raw);
  if (rc != SQLITE_OK) return fail(complaint_at_prepare(db, sql, gate.refusal(), charge, budget));
  if (!stmt) return fail(Errc::Invalid, "there is no statement");

  // The lists of what is used belong to the first statement only.
  const Gate first = gate;
  DE_CHECK(refuse_tail(db, tail, sql.data() + sql.size()));
  gate = first;

  const std::string verb = forbidden_verb(sql);
  if (sqlite3_stmt_isexplain(stmt.get()) != 0)
    return fail(Errc::Invalid, "EXPLAIN is not a query; ask for the plan with --explain");
  if (sqlite3_stmt_readonly(stmt.get()) == 0 || sqlite3_column_count(stmt.get()) == 0)
    return fail(Errc::Invalid,
                (verb.empty() ? std::string("this statement") : verb) + " is not allowed: queries only read");
  return stmt;
}

Meter::Meter(sqlite3* db, bool& busy, const Clock& clock, const Budget& budget)
    : charge{&clock, budget.memory_bytes, clock.steady_ns() + budget.time_ms * 1'000'000},
      db_(db),
      busy_(busy),
      scope_(charge) {
  charge.patience_ns = charge.deadline_ns + (budget.patience_ms - budget.time_ms) * 1'000'000;
  if (budget.patience_ms > budget.time_ms) charge.cpu_deadline_ns = thread_cpu_ns() + budget.time_ms * 1'000'000;
  charge.is_unwanted = budget.is_unwanted;
  busy_ = true;
  sqlite3_progress_handler(db_, kStepsPerClockLook, on_progress, &charge);
}

Meter::~Meter() {
  sqlite3_progress_handler(db_, 0, nullptr, nullptr);
  busy_ = false;
}

std::vector<std::string> column_names(sqlite3_stmt* stmt) {
  std::vector<std::string> names;
  for (int i = 0; i < sqlite3_column_count(stmt); ++i) {
    const char* name = sqlite3_column_name(stmt, i);
    names.emplace_back(name == nullptr ? "" : name);
  }
  return names;
}

Result<Outcome> step_all(sqlite3* db, sqlite3_stmt* stmt, const Gate& gate, Charge& charge, const Budget& budget,
                         std::vector<Value>& row, const Session::OnRow& on_row) {
  Outcome outcome;
  row.resize(static_cast<std::size_t>(sqlite3_column_count(stmt)));
  std::size_t bytes = 0;
  const auto complain = [&] {
    Error error = complaint_at_step(db, gate.refusal(), charge, budget);
    sqlite3_reset(stmt);
    return fail(std::move(error));
  };
  for (;;) {
    const int rc = sqlite3_step(stmt);
    // A function that is refused memory may take it for a bad value, and the row for one that does not match.
    if (rc == SQLITE_DONE && !charge.over_memory && !charge.over_time) break;
    if (rc != SQLITE_ROW) return complain();
    std::size_t row_bytes = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = read_value(stmt, static_cast<int>(i));
      row_bytes += size_of(row[i]);
    }
    // Reading a value can allocate, and then answers NULL instead of an error.
    if (charge.over_memory || charge.is_late()) return complain();
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
  outcome.vm_steps = static_cast<std::uint64_t>(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1));
  sqlite3_reset(stmt);
  return outcome;
}

}  // namespace de::mirror
