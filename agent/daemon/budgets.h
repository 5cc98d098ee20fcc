// What queries and rules may use, as the settings have it.
//
// Thread: any (pure functions).
#pragma once

#include "daemoneye/config/config.h"
#include "mirror/session.h"
#include "serve/context.h"

namespace de::daemon {

inline mirror::Budget to_budget(const config::RunBudget& budget, std::size_t bytes) {
  mirror::Budget out{};
  out.time_ms = budget.timeout_ms;
  out.memory_bytes = static_cast<std::size_t>(budget.memory_mb) << 20;
  out.rows = budget.max_rows;
  out.bytes = bytes;
  return out;
}

// The bytes are of one answer, which is held until the client has read it.
inline mirror::Budget query_budget(const config::AgentConfig& config) { return to_budget(config.query, 32UL << 20); }
inline mirror::Budget rule_budget(const config::AgentConfig& config) {
  constexpr std::int64_t kPatience = 10;
  mirror::Budget out = to_budget(config.rules, 4UL << 20);
  out.patience_ms = kPatience * out.time_ms;
  return out;
}

inline serve::BacktestLimits backtest_limits(const config::AgentConfig& config) {
  return {rule_budget(config), config.backtest_timeout_ms, config.dedup_seconds};
}

}  // namespace de::daemon
