#include "mirror/batch_session.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mirror/batch_table.h"
#include "mirror/execution.h"
#include "mirror/functions.h"
#include "mirror/misses.h"

namespace de::mirror {
namespace {

struct Prepared {
  Stmt stmt;
  std::vector<std::string> columns;
  BatchKind kind = BatchKind::Processes;
  bool gathers = false;
  bool has_clock = false;
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
  void load(std::span<const EventRow> events);
  bool can_match(std::size_t number) const;
  void clear() {
    statements_.clear();
    reads_events_ = false;
    patterns_.clear();
    misses_.reset(0);
  }

 private:
  bool is_asked(std::size_t number, std::size_t event) const;
  Result<Outcome> step(std::size_t number, Meter& meter, const Budget& budget, const OnRow& on_row,
                       std::optional<std::size_t> event = {});
  Result<Outcome> step_each(std::size_t number, Meter& meter, Budget budget, const OnRow& on_row);

  const Clock& clock_;
  Batch batch_;  // Before db_: outlives it.
  Misses misses_;
  PatternCache patterns_{kMaxPatterns};  // Before db_: outlives it.
  Db db_;
  Gate gate_;
  bool busy_ = false;
  std::vector<Prepared> statements_;
  bool reads_events_ = false;  // Some statement does.
  std::vector<Value> row_;     // Reused.
  std::vector<char> matched_;  // Likewise; of the events of a run.
};

Result<> BatchSession::Impl::open() {
  DE_TRY(db, open_memory_db());
  db_ = std::move(db);
  DE_CHECK(exec(db_.get(), "PRAGMA temp_store=MEMORY"));
  DE_CHECK(exec(db_.get(), "ATTACH ':memory:' AS processes"));
  DE_CHECK(add_text_functions(db_.get()));
  DE_CHECK(add_regex_functions(db_.get(), &patterns_));
  DE_CHECK(add_batch_module(db_.get(), batch_));
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
  prepared.has_clock = shape.has_clock;
  if (sqlite3_bind_parameter_count(prepared.stmt.get()) != 0) return fail(Errc::Invalid, "a rule has no parameters");
  reads_events_ = reads_events_ || shape.reads_events;
  statements_.push_back(std::move(prepared));
  misses_.reset(statements_.size());
  return statements_.size() - 1;
}

void BatchSession::Impl::load(std::span<const EventRow> events) {
  batch_.load(events);
  misses_.load(events, [this](std::size_t event) -> std::optional<std::string_view> {
    if (!reads_events_ && !batch_.has_row(BatchKind::Processes, event)) return std::nullopt;
    return batch_.command_line(event);
  });
}

bool BatchSession::Impl::is_asked(std::size_t number, std::size_t event) const {
  return batch_.has_row(statements_[number].kind, event) && !misses_.knows(number, event);
}

bool BatchSession::Impl::can_match(std::size_t number) const {
  for (std::size_t i = 0; i < batch_.size(); ++i)
    if (is_asked(number, i)) return true;
  return false;
}

// `event`: the only one that is shown; without it, the one at which the cursor stands.
Result<Outcome> BatchSession::Impl::step(std::size_t number, Meter& meter, const Budget& budget, const OnRow& on_row,
                                         std::optional<std::size_t> event) {
  return step_all(db_.get(), statements_[number].stmt.get(), gate_, meter.charge, budget, row_,
                  [&](std::span<const Value> row) {
                    const std::size_t about = event.value_or(batch_.current);
                    matched_[about] = 1;
                    return on_row(row, about);
                  });
}

// The rows of one that gathers come when all events were read, and would not say which event they are about.
Result<Outcome> BatchSession::Impl::step_each(std::size_t number, Meter& meter, Budget budget, const OnRow& on_row) {
  Outcome all;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < batch_.size(); ++i)
    if (batch_.is_shown(i)) asked.push_back(i);
  for (const std::size_t i : asked) batch_.show(i, false);
  for (const std::size_t i : asked) {
    batch_.show(i, true);
    const auto outcome = step(number, meter, budget, on_row, i);
    batch_.show(i, false);
    if (!outcome) return fail(Error(outcome.error()));
    all.rows += outcome->rows;
    all.vm_steps += outcome->vm_steps;
    all.truncated = outcome->truncated;
    if (all.truncated) break;
    budget.rows -= outcome->rows;
  }
  return all;
}

Result<Outcome> BatchSession::Impl::run(std::size_t number, const Budget& budget, const Session::OnColumns& on_columns,
                                        const OnRow& on_row) {
  const Prepared& prepared = statements_[number];
  const std::int64_t start_ns = clock_.steady_ns();
  on_columns(prepared.columns);
  Meter meter(db_.get(), busy_, clock_, budget);
  for (std::size_t i = 0; i < batch_.size(); ++i) batch_.show(i, !misses_.knows(number, i));
  batch_.start_reading();
  matched_.assign(batch_.size(), 0);
  auto outcome = prepared.gathers ? step_each(number, meter, budget, on_row) : step(number, meter, budget, on_row);
  for (std::size_t i = 0; i < batch_.size(); ++i) batch_.show(i, true);
  if (!outcome) return fail(std::move(outcome).error());
  for (std::size_t i = 0; i < batch_.size() && !outcome->truncated && !prepared.has_clock; ++i)
    if (matched_[i] == 0 && is_asked(number, i)) misses_.note(number, i, batch_.read(i));
  outcome->elapsed_us = static_cast<std::uint64_t>(clock_.steady_ns() - start_ns) / 1'000;
  return outcome;
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
void BatchSession::load(std::span<const EventRow> events) { impl_->load(events); }
bool BatchSession::can_match(std::size_t statement) const { return impl_->can_match(statement); }
Result<Outcome> BatchSession::run(std::size_t statement, const Budget& budget, const Session::OnColumns& on_columns,
                                  const OnRow& on_row) {
  return impl_->run(statement, budget, on_columns, on_row);
}

}  // namespace de::mirror
