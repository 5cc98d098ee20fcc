// Which columns on demand the collector of processes is asked for, and of which processes: what rules and queries need,
// put together into plans that are sent, renewed before they end, and revoked when nobody needs them any more.
//
// Thread: io.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catalog/contract.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/control.pb.h"
#include "mirror/conformance.h"
#include "mirror/needs.h"

namespace de::catalog {

struct DemandCounts {
  std::uint64_t sent = 0;
  std::uint64_t renewed = 0;
  std::uint64_t revoked = 0;
  std::uint64_t refused = 0;  // By the collector.
  std::uint64_t shed = 0;     // Needs of queries that made room for newer ones.
};

class Demand {
 public:
  static constexpr std::int64_t kLifetimeMs = 300'000;
  static constexpr std::int64_t kRenewMs = 100'000;  // Two may be lost.
  static constexpr std::size_t kMaxPlans = 32;       // More become one, of all processes.
  static constexpr std::size_t kMaxQueries = 64;     // Whose needs are kept for a lifetime.
  static constexpr std::int64_t kConformanceMs = 10'000;

  explicit Demand(const Clock& clock) : clock_(clock) {}

  // A session with the collector of processes has begun: nothing is asked for yet. Null: it has ended.
  void start(const Description* description);
  void set_rules(std::vector<mirror::ColumnNeeds> needs) { rules_ = std::move(needs); }
  // A query needs it now, and others like it may come soon.
  void want(const mirror::ColumnNeeds& needs);

  // What is to be sent now. To be asked at least every second.
  std::vector<pb::Envelope> due();
  // An answer to what was sent. Returns whether columns are told from the next snapshot on that were not before.
  bool take(const pb::DetectionResult& result);

  // When the collector said that it reads all of it: snapshots taken from then on have it. 0: they all have. Nothing:
  // it has not said so, or it does not.
  std::optional<std::int64_t> told_since_ms(const mirror::ColumnNeeds& needs) const;
  // One line for each plan: "fd_count of processes with name = 'sshd'".
  std::vector<std::string> plans() const;
  // What is left to the collector of this: the same words.
  std::string in_words(const mirror::ColumnNeeds& needs) const;
  std::vector<pb::Reason> reasons() const;
  const DemandCounts& counts() const { return counts_; }
  std::size_t conforming() const { return conforming_.size(); }

 private:
  struct Plan {
    std::string id;
    pb::PushdownPlan plan;
    std::int64_t sent_ms = 0;  // By the steady clock.
    std::optional<std::int64_t> told_since_ms;
    std::string refused;
  };
  struct Query {
    mirror::ColumnNeeds needs;
    std::int64_t until_ms = 0;  // By the steady clock.
  };
  using Lists = std::map<std::string, pb::PushdownPlan>;  // By their predicates, serialised.

  std::int64_t now_ms() const { return clock_.steady_ns() / 1'000'000; }
  bool is_settled() const;
  bool may_push(const pb::Predicate& predicate) const;
  std::vector<pb::Predicate> pushed(const std::vector<pb::Predicate>& list) const;
  void add(const mirror::ColumnNeeds& needs, Lists& out) const;
  Lists wanted();
  pb::Envelope task_of(const Plan& plan) const;

  const Clock& clock_;
  bool is_here_ = false;
  Description description_;
  std::vector<mirror::ColumnNeeds> rules_;
  std::deque<Query> queries_;
  std::map<std::string, Plan> plans_;  // By the plan, serialised.
  std::set<std::string> refused_;      // Predicates that the collector did not take.
  std::uint64_t next_id_ = 1;
  std::vector<pb::ConformanceCheck> checks_;
  std::size_t checks_sent_ = 0;
  std::set<std::string> checks_open_;
  std::int64_t started_ms_ = 0;
  std::unique_ptr<mirror::Conformance> conformance_;
  std::set<mirror::Operation> conforming_;
  DemandCounts counts_;
};

}  // namespace de::catalog
