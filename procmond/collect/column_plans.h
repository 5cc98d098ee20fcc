// Who wants which columns on demand, of which processes, and until when. What is wanted of a process is what any plan
// asks for whose predicates all admit it.
//
// Thread: one at a time (collector); wanted() also the thread that reads for it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "collect/on_demand.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/process.pb.h"
#include "daemoneye/schema/table.h"
#include "daemoneye/tasks.pb.h"

namespace de::collect {

constexpr std::size_t kMaxPlans = 64;
constexpr int kMaxPlanPredicates = 64;
constexpr std::uint32_t kMaxPlanMs = 300'000;
// Time that the predicates of all plans may take in one snapshot: whoever comes later is read, whether it is wanted or
// not. Only texts made for it take so long.
constexpr std::int64_t kMaxJudgingNs = 500'000'000;

struct PlanCounts {
  std::uint64_t alive = 0;
  std::uint64_t expired = 0;
  std::uint64_t revoked = 0;
  std::uint64_t refused = 0;
  std::uint64_t unjudged = 0;  // Processes that were read because there was no time left to look at predicates.
};

class ColumnPlans {
 public:
  explicit ColumnPlans(const Clock& clock) : clock_(clock) {}

  // All of it or nothing; the same task again begins anew. A refused renewal leaves the plan as it was.
  // Errors: NotFound (no such table or column), Unsupported (not on demand, not an operation of that column), Invalid,
  // TooLarge, Exhausted (too many plans); each names what.
  Result<> accept(const std::string& task_id, const pb::PushdownPlan& plan);
  void revoke(const std::string& task_id);
  void clear();  // Nobody is there any more who asked.

  // Before each snapshot: ends what has expired.
  Demand begin_snapshot();
  Wanted wanted(const pb::ProcessRecord& record);
  // Of everybody, whoever they are.
  bool wants_all(std::string_view column) const { return (of_all_ & on_demand(column)) != 0; }

  PlanCounts counts() const;

 private:
  using Column = schema::Column<pb::ProcessRecord>;
  struct Condition {
    const Column* column = nullptr;
    pb::Predicate predicate;
  };
  struct Plan {
    std::vector<Condition> conditions;
    Wanted columns = kNothing;
    std::int64_t ends_ns = 0;
  };

  static Result<Plan> read(const pb::PushdownPlan& plan);
  static Result<Condition> read(const pb::Predicate& predicate);
  static bool admits(const Plan& plan, const pb::ProcessRecord& record);
  void expire();
  void sum_up();

  const Clock& clock_;
  std::map<std::string, Plan> plans_;  // By task; at most kMaxPlans.
  Wanted of_all_ = kNothing;
  Wanted of_some_ = kNothing;
  std::int64_t judging_ns_ = 0;  // In this snapshot.
  PlanCounts counts_;
  std::atomic<std::uint64_t> unjudged_ = 0;
};

}  // namespace de::collect
