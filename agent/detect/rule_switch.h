// What operators said about single rules, whatever the rule's file says. It outlives the agent; the files stay as they
// are.
//
// As text, one line a rule: "off some-rule". Ids have no white space.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::detect {

enum class RuleSwitch : std::uint8_t { On, Off, Deleted };
std::string_view to_text(RuleSwitch position);  // "on", "off", "deleted"

using RuleSwitches = std::map<std::string, RuleSwitch, std::less<>>;

std::string to_text(const RuleSwitches& switches);
// Errors: Corrupt, with the line.
Result<RuleSwitches> parse_switches(std::string_view text);

}  // namespace de::detect
