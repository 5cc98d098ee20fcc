#include "mirror/batch_session.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/rule_text.h"
#include "mirror/batch_table.h"
#include "mirror/execution.h"
#include "mirror/functions.h"
#include "mirror/literals.h"
#include "mirror/misses.h"
#include "mirror/program.h"

namespace de::mirror {
namespace {

struct Prepared {
  Stmt stmt;
  std::vector<std::string> columns;
  BatchKind kind = BatchKind::Processes;
  bool gathers = false;
  bool has_clock = false;
  Prospect prospect = Prospect::Open;
};

}  // namespace

class BatchSession::Impl {
 public:
  Impl(const Clock& clock, const BatchOptions& options) : clock_(clock), options_(options) {}

  Result<> open();
  Result<Shape> shape(std::string_view sql);
  Result<std::size_t> add(std::string_view sql);
  Result<TextTest> text_test(std::size_t number);
  Prospect prospect(std::size_t number) const { return statements_[number].prospect; }
  Result<Outcome> run(std::size_t number, const Budget& budget, const Session::OnColumns& on_columns,
                      const OnRow& on_row);
  void load(std::span<const EventRow> events);
  std::size_t events_for(std::size_t number) const { return number < asked_of_.size() ? asked_of_[number].size() : 0; }
  std::span<const std::uint32_t> asked() const { return asked_; }
  PrefilterSize prefilter_size() const { return prefilter_.size(); }
  void clear() {
    statements_.clear();
    prefilter_.clear();
    is_built_ = false;
    asked_.clear();
    asked_of_.clear();
    reads_events_ = false;
    patterns_.clear();
    misses_.reset(0);
  }

 private:
  Result<LiteralGroups> literals_of(std::string_view sql, BatchKind kind, Prospect* prospect = nullptr);
  void find_candidates(std::size_t event);
  void look_at(std::size_t event, std::size_t column);
  bool ask(std::uint32_t number, std::size_t event);
  void forget_known();
  Result<Outcome> step(std::size_t number, Meter& meter, const Budget& budget, const OnRow& on_row,
                       std::optional<std::size_t> event = {});
  Result<Outcome> step_each(std::size_t number, Meter& meter, Budget budget, const OnRow& on_row);

  const Clock& clock_;
  const BatchOptions options_;
  Batch batch_;  // Before db_: outlives it.
  Misses misses_;
  PatternCache patterns_{kMaxPatterns};  // Before db_: outlives it.
  Db db_;
  Gate gate_;
  bool busy_ = false;
  std::vector<Prepared> statements_;
  bool reads_events_ = false;  // Some statement does.
  Prefilter prefilter_;
  bool is_built_ = false;
  std::vector<std::vector<std::uint32_t>> asked_of_;  // Of each statement: the events loaded that it is asked of.
  std::vector<std::uint32_t> asked_;                  // The statements that are asked of any.
  std::vector<char> is_wanted_;                       // Of the events loaded: some statement is asked of it.
  std::vector<Value> row_;                            // Reused.
  std::vector<char> matched_;                         // Likewise; of the events of a run.
};

Result<> BatchSession::Impl::open() {
  DE_TRY(db, open_memory_db());
  db_ = std::move(db);
  DE_CHECK(exec(db_.get(), "PRAGMA temp_store=MEMORY"));
  DE_CHECK(exec(db_.get(), "ATTACH ':memory:' AS processes"));
  DE_CHECK(add_text_functions(db_.get()));
  DE_CHECK(add_like_functions(db_.get()));
  DE_CHECK(add_regex_functions(db_.get(), &patterns_));
  DE_CHECK(add_batch_module(db_.get(), batch_));
  DE_CHECK(create_batch_tables(db_.get()));
  DE_CHECK(Gate::harden(db_.get(), kMaxRuleSqlBytes));
  gate_.attach(db_.get());
  return {};
}

Result<Shape> BatchSession::Impl::shape(std::string_view sql) {
  Meter meter(db_.get(), busy_, clock_, kValidateBudget);
  DE_CHECK(admit(db_.get(), gate_, sql, kMaxRuleSqlBytes, meter.charge, kValidateBudget));
  return look_at_shape(db_.get(), sql, gate_);
}

Result<std::size_t> BatchSession::Impl::add(std::string_view sql) {
  DE_TRY(shape, this->shape(sql));
  if (!shape.row_wise) return fail(Errc::Invalid, "the statement cannot be asked of single events: " + shape.why_not);
  Meter meter(db_.get(), busy_, clock_, kValidateBudget);
  Prepared prepared;
  DE_TRY(stmt, admit(db_.get(), gate_, sql, kMaxRuleSqlBytes, meter.charge, kValidateBudget));
  prepared.stmt = std::move(stmt);
  prepared.columns = column_names(prepared.stmt.get());
  prepared.kind = shape.reads_events ? BatchKind::Events : BatchKind::Processes;
  prepared.gathers = shape.gathers;
  prepared.has_clock = shape.has_clock;
  if (sqlite3_bind_parameter_count(prepared.stmt.get()) != 0) return fail(Errc::Invalid, "a rule has no parameters");
  DE_TRY(groups, literals_of(sql, prepared.kind, &prepared.prospect));
  reads_events_ = reads_events_ || shape.reads_events;
  statements_.push_back(std::move(prepared));
  prefilter_.add(groups);
  is_built_ = false;
  asked_of_.emplace_back();
  return statements_.size() - 1;
}

Result<LiteralGroups> BatchSession::Impl::literals_of(std::string_view sql, BatchKind kind, Prospect* prospect) {
  if (!options_.prefilter) return LiteralGroups();
  gate_.start();  // It counts, and each look is a statement of its own.
  DE_TRY(program, Program::read(db_.get(), sql));
  LiteralSearch search(program, kind);
  if (prospect != nullptr) *prospect = find_prospect(search);
  return search.groups();
}

Result<TextTest> BatchSession::Impl::text_test(std::size_t number) {
  const Prepared& prepared = statements_[number];
  DE_TRY(groups, literals_of(sqlite3_sql(prepared.stmt.get()), prepared.kind));
  return mirror::text_test(stored_literals(groups));
}

void BatchSession::Impl::load(std::span<const EventRow> events) {
  batch_.load(events);
  if (!is_built_) {
    prefilter_.build();
    misses_.reset(statements_.size());
    is_built_ = true;
  }
  for (const std::uint32_t number : asked_) asked_of_[number].clear();
  asked_.clear();
  is_wanted_.assign(events.size(), 0);
  for (std::size_t i = 0; i < events.size(); ++i)
    if (reads_events_ || batch_.has_row(BatchKind::Processes, i)) find_candidates(i);
  misses_.load(events, [this](std::size_t event) -> std::optional<std::string_view> {
    if (is_wanted_[event] == 0) return std::nullopt;
    return batch_.command_line(event);
  });
  forget_known();
}

void BatchSession::Impl::find_candidates(std::size_t event) {
  bool is_wanted = false;
  for (const std::uint32_t number : prefilter_.always()) is_wanted = ask(number, event) || is_wanted;
  prefilter_.start();
  for (const std::size_t column : prefilter_.columns()) look_at(event, column);
  for (const std::uint32_t number : prefilter_.candidates()) is_wanted = ask(number, event) || is_wanted;
  is_wanted_[event] = is_wanted ? 1 : 0;
}

void BatchSession::Impl::look_at(std::size_t event, std::size_t column) {
  const pb::ProcessEvent& from = *batch_.at(event).event;
  if (column == command_line_column() && from.process().command_line_size() > 0)
    return prefilter_.look_at(column, batch_.command_line(event));
  const schema::Cell cell = schema::event_columns()[column].read(from);
  if (const auto* view = std::get_if<std::string_view>(&cell)) return prefilter_.look_at(column, *view);
  if (const auto* text = std::get_if<std::string>(&cell)) return prefilter_.look_at(column, *text);
  if (!std::holds_alternative<std::monostate>(cell)) prefilter_.let_pass(column);
}

bool BatchSession::Impl::ask(std::uint32_t number, std::size_t event) {
  if (!batch_.has_row(statements_[number].kind, event)) return false;
  std::vector<std::uint32_t>& events = asked_of_[number];
  if (events.empty()) asked_.push_back(number);
  events.push_back(static_cast<std::uint32_t>(event));
  return true;
}

// What was asked before about events that look the same.
void BatchSession::Impl::forget_known() {
  for (const std::uint32_t number : asked_)
    std::erase_if(asked_of_[number], [&](std::uint32_t event) { return misses_.knows(number, event); });
  std::erase_if(asked_, [&](std::uint32_t number) { return asked_of_[number].empty(); });
  std::ranges::sort(asked_);
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
  for (const std::uint32_t i : asked_of_[number]) {
    batch_.show({&i, 1});
    const auto outcome = step(number, meter, budget, on_row, i);
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
  batch_.show(asked_of_[number]);
  batch_.start_reading();
  matched_.assign(batch_.size(), 0);
  auto outcome = prepared.gathers ? step_each(number, meter, budget, on_row) : step(number, meter, budget, on_row);
  if (!outcome) return fail(std::move(outcome).error());
  for (const std::uint32_t i : asked_of_[number])
    if (matched_[i] == 0 && !outcome->truncated && !prepared.has_clock) misses_.note(number, i, batch_.read(i));
  outcome->elapsed_us = static_cast<std::uint64_t>(clock_.steady_ns() - start_ns) / 1'000;
  return outcome;
}

BatchSession::BatchSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BatchSession::~BatchSession() = default;

Result<std::unique_ptr<BatchSession>> BatchSession::create(const Clock& clock, const BatchOptions& options) {
  auto impl = std::make_unique<Impl>(clock, options);
  if (auto opened = impl->open(); !opened) return fail(std::move(opened).error().during("open session for new events"));
  return std::unique_ptr<BatchSession>(new BatchSession(std::move(impl)));
}

Result<Shape> BatchSession::shape(std::string_view sql) { return impl_->shape(sql); }
Result<std::size_t> BatchSession::add(std::string_view sql) { return impl_->add(sql); }
Prospect BatchSession::prospect(std::size_t statement) const { return impl_->prospect(statement); }
Result<TextTest> BatchSession::text_test(std::size_t statement) { return impl_->text_test(statement); }
void BatchSession::clear() { impl_->clear(); }
void BatchSession::load(std::span<const EventRow> events) { impl_->load(events); }
std::span<const std::uint32_t> BatchSession::asked() const { return impl_->asked(); }
std::size_t BatchSession::events_for(std::size_t statement) const { return impl_->events_for(statement); }
PrefilterSize BatchSession::prefilter_size() const { return impl_->prefilter_size(); }
Result<Outcome> BatchSession::run(std::size_t statement, const Budget& budget, const Session::OnColumns& on_columns,
                                  const OnRow& on_row) {
  return impl_->run(statement, budget, on_columns, on_row);
}

}  // namespace de::mirror
