#include "detect/runner.h"

#include <algorithm>

#include "mirror/proto_value.h"

namespace de::detect {
const pb::Value* Matches::find(const pb::Row& row, std::string_view column) const {
  const auto at = std::find(columns.begin(), columns.end(), column);
  const auto index = at - columns.begin();
  return at == columns.end() || index >= row.values_size() ? nullptr : &row.values(static_cast<int>(index));
}

Result<Matches> run_rule(mirror::Session& session, const Rule& rule, const mirror::Budget& budget) {
  Matches matches;
  if (rule.trace) session.see_traces_of(rule.trace->after);
  auto outcome = session.run(
      rule.statement(), {}, budget,
      [&](std::span<const std::string> names) { matches.columns.assign(names.begin(), names.end()); },
      [&](std::span<const mirror::Value> values) {
        pb::Row& row = matches.rows.emplace_back();
        for (const mirror::Value& value : values) mirror::put(*row.add_values(), value);
        return true;
      });
  session.see_traces_of();
  if (!outcome) return fail(Error(outcome.error()).during("rule " + rule.id));
  matches.truncated = outcome->truncated;
  matches.elapsed_us = outcome->elapsed_us;
  matches.vm_steps = outcome->vm_steps;
  matches.missing = std::move(outcome->missing);
  matches.wanted = std::move(outcome->wanted);
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
        for (const mirror::Value& value : values) mirror::put(*row.add_values(), value);
        matches.events.push_back(event);
        return true;
      });
  if (!outcome) return fail(Error(outcome.error()).during("rule " + rule.id));
  matches.truncated = outcome->truncated;
  matches.elapsed_us = outcome->elapsed_us;
  matches.vm_steps = outcome->vm_steps;
  return matches;
}

}  // namespace de::detect
