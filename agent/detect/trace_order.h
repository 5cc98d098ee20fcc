// What a rule's `trace:` asks for, and which traces may follow which: rules whose traces would follow themselves are
// refused, so that no row can begin traces without end.
//
// Thread: any (pure functions and values).
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/config/yaml_tree.h"

namespace de::detect {

struct Rule;
struct RuleSet;

constexpr std::int64_t kMaxTraceMs = 600'000;
constexpr std::uint32_t kMaxTraceDepth = 5;

struct TraceOrder {
  bool command_line = false;
  bool environment = false;
  bool open_files = false;
  bool descendants = true;
  std::int64_t for_ms = 60'000;
  // The rules whose traces this one looks at; it sees no others. Null: it looks at none.
  std::shared_ptr<const std::set<std::string>> after;
  std::uint32_t depth = 1;  // Found by settle_traces().
};

// Errors: Invalid.
Result<TraceOrder> read_trace(std::string_view file, const config::Node& node);

// Whether the rule's SQL and its `trace:` go together. Errors: Invalid, with what is wrong and without the place.
Result<> check_trace(const Rule& rule, const std::vector<std::string>& columns);

// "command_line, open_files for 60s, with descendants, after a, b"
std::string to_text(const TraceOrder& order);

// Whether the traces of these rules could follow those of the others, as settle_traces() finds it when both are loaded:
// a rule of the same id is replaced. Errors: Invalid, with the place.
Result<> check_traces(const std::vector<Rule>& rules, const RuleSet& others);

// Fills every depth; takes rules out of the set whose traces would follow themselves or go deeper than kMaxTraceDepth,
// or that name a rule without a trace, and says so in its errors.
void settle_traces(RuleSet& set);

}  // namespace de::detect
