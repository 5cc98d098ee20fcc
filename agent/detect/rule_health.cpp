#include "detect/rule_health.h"

#include <algorithm>

namespace de::detect {
namespace {

constexpr double kUsPerPercent = 10'000;  // Of a second.
constexpr std::uint32_t kNoLimit = 100;

}  // namespace

std::string_view why_never(mirror::Prospect prospect, bool has_environment) {
  switch (prospect) {
    case mirror::Prospect::None:
      return "its conditions cannot be met together, or it compares a column with a word that the column never has";
    case mirror::Prospect::NeedsEnvironment:
      if (has_environment) break;
      return "it needs the environment of processes, which is not collected here (collect.environment)";
    case mirror::Prospect::Open:
      break;
  }
  return {};
}

Allowance HealthBook::allowance_of(std::uint32_t percent) {
  return {kUsPerPercent * percent, static_cast<double>(kSavedUs)};
}

HealthBook::Entry& HealthBook::entry_of(const Rule& rule) {
  const auto found = entries_.find(rule.id);
  if (found != entries_.end()) return found->second;
  return entries_.emplace(rule.id, Entry{{}, rule.sql, allowance_of(max_cpu_percent_)}).first->second;
}

void HealthBook::set_max_cpu_percent(std::uint32_t percent) {
  if (percent == max_cpu_percent_) return;
  max_cpu_percent_ = percent;
  for (auto& [id, entry] : entries_) entry.time_us = allowance_of(max_cpu_percent_);
}

void HealthBook::record(const Rule& rule, const Result<Matches>& result, std::uint64_t elapsed_us) {
  Entry& entry = entry_of(rule);
  RuleHealth& health = entry.health;
  ++health.runs;
  entry.time_us.spend(static_cast<double>(elapsed_us));
  all_time_us_.spend(static_cast<double>(elapsed_us));
  if (!result) {
    ++health.failures;
    entry.slow_in_a_row = 0;
    if (++entry.failed_in_a_row >= kFailuresToUnhealthy) {
      health.healthy = false;
      health.reason = result.error().message();
    }
    return;
  }
  entry.failed_in_a_row = 0;
  health.matches += result->rows.size();
  health.last_us = elapsed_us;
  health.worst_us = std::max(health.worst_us, elapsed_us);
  if (result->truncated) {
    health.healthy = false;
    health.reason =
        "matched more than one run may: only the first " + std::to_string(result->rows.size()) + " matches were taken";
    return;
  }
  if (elapsed_us <= kSlowUs) {
    entry.slow_in_a_row = 0;
    health.healthy = true;
    health.reason.clear();
    return;
  }
  ++health.slow_runs;
  if (++entry.slow_in_a_row < kSlowToUnhealthy) return;
  health.healthy = false;
  health.reason = "slow: the last " + std::to_string(entry.slow_in_a_row) + " runs took longer than " +
                  std::to_string(kSlowUs / 1000) + " ms, the last one " + std::to_string(elapsed_us / 1000) + " ms";
}

bool HealthBook::may_run(const Rule& rule, std::int64_t now_ns) {
  if (max_cpu_percent_ >= kNoLimit) return true;
  const bool has_own = entry_of(rule).time_us.has(now_ns);  // Each look adds what was saved since the last.
  return all_time_us_.has(now_ns) || has_own;
}

void HealthBook::pass_over(const Rule& rule, std::uint64_t asked) {
  RuleHealth& health = entry_of(rule).health;
  health.passed_over += asked;
  health.healthy = false;
  health.reason = "too slow: the rules take too much time, it more than " + std::to_string(max_cpu_percent_) +
                  " % of all, and it was not asked of " + std::to_string(health.passed_over) +
                  " events and snapshots; see rules.max_cpu_percent";
}

void HealthBook::keep_only(std::span<const std::shared_ptr<const Rule>> rules) {
  std::map<std::string_view, const Rule*> known;
  for (const auto& rule : rules) known.emplace(rule->id, rule.get());
  std::erase_if(entries_, [&](const auto& entry) {
    const auto found = known.find(entry.first);
    return found == known.end() || found->second->sql != entry.second.sql;
  });
}

const RuleHealth* HealthBook::find(std::string_view rule_id) const {
  const auto found = entries_.find(rule_id);
  return found == entries_.end() ? nullptr : &found->second.health;
}

}  // namespace de::detect
