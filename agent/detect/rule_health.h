// How each rule fares, and how much of the time it may take from the others.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemoneye/base/allowance.h"
#include "daemoneye/base/result.h"
#include "detect/rule.h"
#include "detect/runner.h"
#include "mirror/prospect.h"

namespace de::detect {

// Why a rule with this prospect never matches; empty when it may.
std::string_view why_never(mirror::Prospect prospect, bool has_environment);

struct RuleHealth {
  bool healthy = true;
  std::string reason;  // Why not; empty when healthy.
  std::uint64_t runs = 0;
  std::uint64_t matches = 0;
  std::uint64_t failures = 0;
  std::uint64_t slow_runs = 0;
  std::uint64_t passed_over = 0;  // Events and snapshots it was not asked of, to leave time to the others.
  std::uint64_t last_us = 0;
  std::uint64_t worst_us = 0;
};

// A rule is unhealthy after kFailuresToUnhealthy failed, kSlowToUnhealthy slow, or one capped run in a row, and healthy
// again after one good run. Unhealthy is a report, not a verdict: it is still run. Only while the rules together take
// more than kAllPercent of the time, one that takes more than its share is passed over until it has saved up again;
// kSavedUs of it at once are nobody's harm.
class HealthBook {
 public:
  static constexpr std::uint64_t kSlowUs = 100'000;  // The promise is 100 ms a rule.
  static constexpr int kFailuresToUnhealthy = 1;
  static constexpr int kSlowToUnhealthy = 3;
  static constexpr std::uint64_t kSavedUs = 5'000'000;

  static constexpr std::uint32_t kAllPercent = 50;

  // Of the time that passes, for each rule; 100 is no limit. What the rules have saved up starts anew.
  explicit HealthBook(std::uint32_t max_cpu_percent = 100) : max_cpu_percent_(max_cpu_percent) {}
  void set_max_cpu_percent(std::uint32_t percent);

  // `elapsed_us`: what the run took, whether it succeeded or not.
  void record(const Rule& rule, const Result<Matches>& result, std::uint64_t elapsed_us);
  // Whether there is time left for it, of a clock that does not go backwards.
  bool may_run(const Rule& rule, std::int64_t now_ns);
  // It had none; `asked` is what it should have been asked of.
  void pass_over(const Rule& rule, std::uint64_t asked);
  // Forgets rules that are not in `rules` any more, and starts over for those whose SQL changed.
  void keep_only(std::span<const std::shared_ptr<const Rule>> rules);
  // Null for a rule that never ran.
  const RuleHealth* find(std::string_view rule_id) const;

 private:
  struct Entry {
    RuleHealth health;
    std::string sql;
    Allowance time_us;
    int failed_in_a_row = 0;
    int slow_in_a_row = 0;
  };
  Entry& entry_of(const Rule& rule);
  static Allowance allowance_of(std::uint32_t percent);

  std::uint32_t max_cpu_percent_;
  Allowance all_time_us_ = allowance_of(kAllPercent);
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace de::detect
