#include "collect/column_plans.h"

#include <algorithm>
#include <utility>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/describe.h"
#include "daemoneye/schema/predicate.h"
#include "daemoneye/schema/process_columns.h"

namespace de::collect {
namespace {

constexpr std::size_t kShownBytes = 64;  // Of a name that is none.

std::string shown(const std::string& name) { return "'" + escape_controls(name.substr(0, kShownBytes)) + "'"; }

const schema::Column<pb::ProcessRecord>* find_column(const std::string& name) {
  const auto columns = schema::process_columns();
  const auto found = std::ranges::find(columns, name, &schema::Column<pb::ProcessRecord>::name);
  return found == columns.end() ? nullptr : &*found;
}

}  // namespace

Result<ColumnPlans::Condition> ColumnPlans::read(const pb::Predicate& predicate) {
  const Column* column = find_column(predicate.column());
  if (column == nullptr) return fail(Errc::NotFound, "predicate: no column " + shown(predicate.column()));
  const std::string where = "predicate of " + predicate.column();
  if (Result<> checked = schema::check(predicate, column->type); !checked)
    return fail(std::move(checked).error().during(where));
  const auto ops = schema::ops_in_plans(*column);
  if (std::ranges::find(ops, predicate.op()) == ops.end())
    return fail(Errc::Unsupported, where + ": " + std::string(schema::to_text(predicate.op())) +
                                       " is not looked at before the process is read");
  return Condition{column, predicate};
}

Result<ColumnPlans::Plan> ColumnPlans::read(const pb::PushdownPlan& plan) {
  if (plan.table() != "processes") return fail(Errc::NotFound, "no table " + shown(plan.table()) + " takes plans");
  if (plan.ttl_ms() == 0 || plan.ttl_ms() > kMaxPlanMs)
    return fail(Errc::Invalid, "ttl_ms: " + std::to_string(plan.ttl_ms()) + " is not 1 to 300000");
  if (plan.projection().empty()) return fail(Errc::Invalid, "projection: no column is asked for");
  if (plan.predicates_size() > kMaxPlanPredicates) return fail(Errc::TooLarge, "more than 64 predicates");
  Plan out;
  for (const std::string& name : plan.projection()) {
    const Wanted column = on_demand(name);
    if (column == kNothing && find_column(name) == nullptr)
      return fail(Errc::NotFound, "projection: no column " + shown(name));
    if (column == kNothing) return fail(Errc::Unsupported, "projection: " + name + " is in every snapshot anyway");
    out.columns |= column;
  }
  for (const pb::Predicate& predicate : plan.predicates()) {
    DE_TRY(condition, read(predicate));
    out.conditions.push_back(std::move(condition));
  }
  return out;
}

Result<> ColumnPlans::accept(const std::string& task_id, const pb::PushdownPlan& plan) {
  expire();
  Result<Plan> made = read(plan);
  if (made && task_id.empty()) made = fail(Errc::Invalid, "a plan without a task_id could not be revoked");
  if (made && !plans_.contains(task_id) && plans_.size() >= kMaxPlans)
    made = fail(Errc::Exhausted, "64 plans are alive already");
  if (!made) {
    ++counts_.refused;
    return fail(std::move(made).error());
  }
  made->ends_ns = clock_.steady_ns() + std::int64_t{plan.ttl_ms()} * 1'000'000;
  plans_[task_id] = std::move(*made);
  sum_up();
  return {};
}

void ColumnPlans::revoke(const std::string& task_id) {
  expire();
  counts_.revoked += plans_.erase(task_id);
  sum_up();
}

void ColumnPlans::clear() {
  plans_.clear();
  sum_up();
}

void ColumnPlans::expire() {
  const std::int64_t now_ns = clock_.steady_ns();
  counts_.expired += std::erase_if(plans_, [now_ns](const auto& item) { return item.second.ends_ns <= now_ns; });
  sum_up();
}

void ColumnPlans::sum_up() {
  of_all_ = of_some_ = kNothing;
  for (const auto& [task, plan] : plans_) (plan.conditions.empty() ? of_all_ : of_some_) |= plan.columns;
  of_some_ &= static_cast<Wanted>(~of_all_);
}

Demand ColumnPlans::begin_snapshot() {
  expire();
  judging_ns_ = 0;
  return {of_all_, of_some_};
}

bool ColumnPlans::admits(const Plan& plan, const pb::ProcessRecord& record) {
  return std::ranges::all_of(plan.conditions, [&record](const Condition& condition) {
    return schema::admits(condition.predicate, condition.column->read(record));
  });
}

Wanted ColumnPlans::wanted(const pb::ProcessRecord& record) {
  Wanted out = of_all_;
  if (of_some_ == kNothing) return out;
  const Wanted all = of_all_ | of_some_;
  std::int64_t before_ns = clock_.steady_ns();
  for (const auto& [task, plan] : plans_) {
    if ((plan.columns & ~out) == 0) continue;  // Nothing that is not wanted already.
    if (judging_ns_ >= kMaxJudgingNs) {
      ++unjudged_;
      return all;
    }
    if (admits(plan, record)) out |= plan.columns;
    const std::int64_t now_ns = clock_.steady_ns();
    judging_ns_ += now_ns - std::exchange(before_ns, now_ns);
  }
  return out;
}

PlanCounts ColumnPlans::counts() const {
  PlanCounts out = counts_;
  out.alive = plans_.size();
  out.unjudged = unjudged_;
  return out;
}

}  // namespace de::collect
