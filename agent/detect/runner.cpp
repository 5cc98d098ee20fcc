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

}  // namespace de::detect
