#include "mirror/batch_session.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mirror/batch_table.h"
#include "mirror/execution.h"
#include "mirror/functions.h"

namespace de::mirror {
namespace {

// Of these a constant is not the same at every run.
constexpr std::array<std::string_view, 9> kClockFunctions = {"current_date", "current_time", "current_timestamp",
                                                             "date",         "datetime",     "julianday",
                                                             "strftime",     "time",         "unixepoch"};

struct Prepared {
  Stmt stmt;
  std::vector<std::string> columns;
  BatchKind kind = BatchKind::Processes;
  bool gathers = false;
  std::optional<std::vector<Need>> needs;  // One of them must be met; nothing: not known.
};

}  // namespace

class BatchSession::Impl {
 public:
  explicit Impl(const Clock& clock) : clock_(clock) {}

  Result<> open();
  Result<Shape> shape(std::string_view sql);
  Result<std::size_t> add(std::string_view sql);
  Result<Outcome> run(std::size_t number, const Budget& budget, const Session::OnColumns& on_columns,
                      const OnRow& on_row);
  bool can_match(std::size_t number) const;
  void clear() {
    statements_.clear();
    patterns_.clear();
  }

  Batch batch;  // Before db_: outlives it.

 private:
  Result<> find_needs(Prepared& prepared, const Shape& shape, Charge& charge);
  bool meets(const Prepared& prepared, std::size_t event) const;

  const Clock& clock_;
  PatternCache patterns_{kMaxPatterns};  // Before db_: outlives it.
  Db db_;
  Gate gate_;
  bool busy_ = false;
  std::vector<Prepared> statements_;
  std::vector<Value> row_;  // Reused.
};

Result<> BatchSession::Impl::open() {
  DE_TRY(db, open_memory_db());
  db_ = std::move(db);
  DE_CHECK(exec(db_.get(), "PRAGMA temp_store=MEMORY"));
  DE_CHECK(exec(db_.get(), "ATTACH ':memory:' AS processes"));
  DE_CHECK(add_text_functions(db_.get()));
  DE_CHECK(add_regex_functions(db_.get(), &patterns_));
  DE_CHECK(add_batch_module(db_.get(), batch));
  DE_CHECK(create_batch_tables(db_.get()));
  DE_CHECK(Gate::harden(db_.get(), kRuleSqlBytes));
  gate_.attach(db_.get());
  return {};
}

Result<Shape> BatchSession::Impl::shape(std::string_view sql) {
  Meter meter(db_.get(), busy_, clock_, kValidateBudget);
  DE_CHECK(admit(db_.get(), gate_, sql, kRuleSqlBytes, meter.charge, kValidateBudget));
  return look_at_shape(db_.get(), sql, gate_);
}

// What SQLite asks the tables for in a run over nothing is what it would ask for in any: a row-wise statement has
// nothing else to compute it from.
Result<> BatchSession::Impl::find_needs(Prepared& prepared, const Shape& shape, Charge& charge) {
  std::vector<Need> needs;
  batch.load({});
  batch.capture = &needs;
  const auto outcome = step_all(db_.get(), prepared.stmt.get(), gate_, charge, kValidateBudget, row_,
                                [](std::span<const Value>) { return true; });
  batch.capture = nullptr;
  if (!outcome) return fail(Error(outcome.error()));
  const bool varies = std::ranges::any_of(
      kClockFunctions, [&](std::string_view name) { return gate_.functions().contains(std::string(name)); });
  if (varies || needs.empty() || static_cast<int>(needs.size()) != shape.readings) return {};
  if (std::ranges::none_of(needs, [](const Need& need) { return need.empty(); })) prepared.needs = std::move(needs);
  return {};
}

Result<std::size_t> BatchSession::Impl::add(std::string_view sql) {
  DE_TRY(shape, this->shape(sql));
  if (!shape.row_wise) return fail(Errc::Invalid, "the statement cannot be asked of single events: " + shape.why_not);
  Meter meter(db_.get(), busy_, clock_, kValidateBudget);
  Prepared prepared;
  DE_TRY(stmt, admit(db_.get(), gate_, sql, kRuleSqlBytes, meter.charge, kValidateBudget));
  prepared.stmt = std::move(stmt);
  prepared.columns = column_names(prepared.stmt.get());
  prepared.kind = shape.reads_events ? BatchKind::Events : BatchKind::Processes;
  prepared.gathers = shape.gathers;
  if (sqlite3_bind_parameter_count(prepared.stmt.get()) != 0) return fail(Errc::Invalid, "a rule has no parameters");
  DE_CHECK(find_needs(prepared, shape, meter.charge));
  statements_.push_back(std::move(prepared));
  return statements_.size() - 1;
}

bool BatchSession::Impl::meets(const Prepared& prepared, std::size_t event) const {
  if (!batch.has_row(prepared.kind, event)) return false;
  return !prepared.needs ||
         std::ranges::any_of(*prepared.needs, [&](const Need& need) { return batch.satisfies(need, event); });
}

bool BatchSession::Impl::can_match(std::size_t number) const {
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (meets(statements_[number], i)) return true;
  return false;
}

Result<Outcome> BatchSession::Impl::run(std::size_t number, const Budget& budget, const Session::OnColumns& on_columns,
                                        const OnRow& on_row) {
  Prepared& prepared = statements_[number];
  const std::int64_t start_ns = clock_.steady_ns();
  on_columns(prepared.columns);
  Outcome all;
  {
    Meter meter(db_.get(), busy_, clock_, budget);
    const auto deliver = [&](std::span<const Value> row) { return on_row(row, batch.current); };
    if (!prepared.gathers) {
      DE_TRY(outcome, step_all(db_.get(), prepared.stmt.get(), gate_, meter.charge, budget, row_, deliver));
      all = std::move(outcome);
    }
    // Its rows come when all events were read, and would not say which event they are about: one at a time.
    Budget left = budget;
    for (std::size_t i = 0; prepared.gathers && i < batch.size() && !all.truncated; ++i) {
      if (!meets(prepared, i)) continue;
      batch.look_at(i);
      const auto outcome = step_all(db_.get(), prepared.stmt.get(), gate_, meter.charge, left, row_,
                                    [&](std::span<const Value> row) { return on_row(row, i); });
      batch.look_at(std::nullopt);
      if (!outcome) return fail(Error(outcome.error()));
      all.rows += outcome->rows;
      all.vm_steps += outcome->vm_steps;
      all.truncated = outcome->truncated;
      left.rows -= outcome->rows;
    }
  }
  all.elapsed_us = static_cast<std::uint64_t>(clock_.steady_ns() - start_ns) / 1'000;
  return all;
}

BatchSession::BatchSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BatchSession::~BatchSession() = default;

Result<std::unique_ptr<BatchSession>> BatchSession::create(const Clock& clock) {
  auto impl = std::make_unique<Impl>(clock);
  if (auto opened = impl->open(); !opened) return fail(std::move(opened).error().during("open session for new events"));
  return std::unique_ptr<BatchSession>(new BatchSession(std::move(impl)));
}

Result<Shape> BatchSession::shape(std::string_view sql) { return impl_->shape(sql); }
Result<std::size_t> BatchSession::add(std::string_view sql) { return impl_->add(sql); }
void BatchSession::clear() { impl_->clear(); }
void BatchSession::load(std::span<const EventRow> events) { impl_->batch.load(events); }
bool BatchSession::can_match(std::size_t statement) const { return impl_->can_match(statement); }
Result<Outcome> BatchSession::run(std::size_t statement, const Budget& budget, const Session::OnColumns& on_columns,
                                  const OnRow& on_row) {
  return impl_->run(statement, budget, on_columns, on_row);
}

}  // namespace de::mirror
