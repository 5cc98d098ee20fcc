// From a tree of nodes to rules. Every complaint names file, line, column and what was expected there.
//
// Thread: any (pure functions).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/config/yaml_tree.h"
#include "detect/rule.h"

namespace de::detect {

// One rule, a list of rules, or `rules: [...]` with optional `metadata:`. Errors: Invalid.
Result<std::vector<Rule>> read_rules(std::string_view file, const config::Node& root);
// One rule. Errors: Invalid.
Result<Rule> read_rule(std::string_view file, const config::Node& node);
// The `tests:` of a rule. Errors: Invalid.
Result<std::vector<RuleTest>> read_tests(std::string_view file, const config::Node& node);

// A `.sql` file's comment header as the node that a YAML rule would be, with the whole text as `sql`. A header line is
// "-- key: value" with a key in small letters; a line indented by two blanks more continues the value before it; other
// comment lines are prose. `tags` and `dedup` are lists separated by commas. Errors: Invalid.
Result<config::Node> read_sql_header(std::string_view file, std::string_view text);

// "file:3:7: " + what.
Error complaint(std::string_view file, const config::Node& node, const std::string& what);
Result<std::string> read_text(std::string_view file, const config::Node& node, std::string_view key,
                              std::size_t max_bytes);
Result<std::vector<std::string>> read_names(std::string_view file, const config::Node& node, std::string_view key);
Result<bool> read_bool(std::string_view file, const config::Node& node, std::string_view key);
// "90s", "10m", "2h", "1d" in milliseconds; `advice` ends the sentence "must be a time of at most".
Result<std::int64_t> read_duration(std::string_view file, const config::Node& node, std::string_view key,
                                   std::int64_t most_ms, std::string_view advice);
// Refuses keys that are not in `known`, with the nearest that is.
Result<> refuse_unknown_keys(std::string_view file, const config::Node& map, std::span<const std::string_view> known);

}  // namespace de::detect
