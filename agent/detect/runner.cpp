#include "detect/runner.h"

#include <algorithm>

namespace de::detect {
namespace {

void put(pb::Value& to, const mirror::Value& from) {
  if (const auto* integer = std::get_if<std::int64_t>(&from)) to.set_integer(*integer);
  if (const auto* real = std::get_if<double>(&from)) to.set_real(*real);
  if (const auto* text = std::get_if<std::string_view>(&from)) to.set_text(std::string(*text));
  if (const auto* blob = std::get_if<mirror::Blob>(&from)) to.set_blob(std::string(blob->bytes));
}

}  // namespace

const pb::Value* Matches::find(const pb::Row& row, std::string_view column) const {
  const auto at = std::find(columns.begin(), columns.end(), column);
  const auto index = at - columns.begin();
  return at == columns.end() || index >= row.values_size() ? nullptr : &row.values(static_cast<int>(index));
}

Result<Matches> run_rule(mirror::Session& session, const Rule& rule, const mirror::Budget& budget) {
  Matches matches;
  auto outcome = session.run(
      rule.statement(), {}, budget,
      [&](std::span<const std::string> names) { matches.columns.assign(names.begin(), names.end()); },
      [&](std::span<const mirror::Value> values) {
        pb::Row& row = matches.rows.emplace_back();
        for (const mirror::Value& value : values) put(*row.add_values(), value);
        return true;
      });
  if (!outcome) return fail(Error(outcome.error()).during("rule " + rule.id));
  matches.truncated = outcome->truncated;
  matches.elapsed_us = outcome->elapsed_us;
  matches.vm_steps = outcome->vm_steps;
  matches.missing = std::move(outcome->missing);
  return matches;
}

Result<Matches> run_rule(mirror::BatchSession& session, std::size_t statement, const Rule& rule,
                         const mirror::Budget& budget) {
  Matches matches;
  const auto outcome = session.run(
      statement, budget,
      [&](std::span<const std::string> names) { matches.columns.assign(names.begin(), names.end()); },
      [&](std::span<const mirror::Value> values, std::size_t event) {
        pb::Row& row = matches.rows.emplace_back();
        for (const mirror::Value& value : values) put(*row.add_values(), value);
        matches.events.push_back(event);
        return true;
      });
  if (!outcome) return fail(Error(outcome.error()).during("rule " + rule.id));
  matches.truncated = outcome->truncated;
  matches.elapsed_us = outcome->elapsed_us;
  matches.vm_steps = outcome->vm_steps;
  return matches;
}

void HealthBook::record(const Rule& rule, const Result<Matches>& result) {
  Entry& entry = entries_[rule.id];
  entry.sql = rule.sql;
  RuleHealth& health = entry.health;
  ++health.runs;
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
  health.last_us = result->elapsed_us;
  health.worst_us = std::max(health.worst_us, result->elapsed_us);
  if (result->truncated) {
    health.healthy = false;
    health.reason =
        "matched more than one run may: only the first " + std::to_string(result->rows.size()) + " matches were taken";
    return;
  }
  if (result->elapsed_us <= kSlowUs) {
    entry.slow_in_a_row = 0;
    health.healthy = true;
    health.reason.clear();
    return;
  }
  ++health.slow_runs;
  if (++entry.slow_in_a_row < kSlowToUnhealthy) return;
  health.healthy = false;
  health.reason = "slow: the last " + std::to_string(entry.slow_in_a_row) + " runs took longer than " +
                  std::to_string(kSlowUs / 1000) + " ms, the last one " + std::to_string(result->elapsed_us / 1000) +
                  " ms";
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
