// How long the texts of a rule may be: the agent refuses longer ones, and those who make rules of something else
// refuse before they write what it would.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de {

constexpr std::size_t kMaxRuleIdBytes = 128;
constexpr std::size_t kMaxRuleLineBytes = 1024;  // Names, categories, authors, and each item of a list.
constexpr std::size_t kMaxRuleDescriptionBytes = 16UL << 10;
constexpr std::size_t kMaxRuleListItems = 128;  // Tags, keys, required columns.
constexpr std::size_t kMaxRuleSqlBytes = 128UL << 10;

// Appends a line `key: "value"` of a rule file, or nothing for an empty value. Invalid when it has more than
// `max_bytes` the way it is written, quotes and escapes included.
Result<> add_rule_line(std::string& yaml, std::string_view key, std::string_view value,
                       std::size_t max_bytes = kMaxRuleLineBytes);

// A line `key: ["a", "b"]`; empty items are left out, and so is a list without items.
Result<> add_rule_list(std::string& yaml, std::string_view key, std::span<const std::string> items);

}  // namespace de
