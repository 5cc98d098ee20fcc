#include "detect/rule_switch.h"

#include <array>
#include <optional>
#include <utility>

#include "daemoneye/base/text.h"

namespace de::detect {
namespace {

constexpr std::array<std::pair<RuleSwitch, std::string_view>, 3> kPositions = {
    {{RuleSwitch::On, "on"}, {RuleSwitch::Off, "off"}, {RuleSwitch::Deleted, "deleted"}}};

std::optional<RuleSwitch> parse_position(std::string_view word) {
  for (const auto& [position, text] : kPositions)
    if (text == word) return position;
  return std::nullopt;
}

}  // namespace

std::string_view to_text(RuleSwitch position) { return kPositions[static_cast<std::size_t>(position)].second; }

std::string to_text(const RuleSwitches& switches) {
  std::string out;
  for (const auto& [id, position] : switches) out += std::string(to_text(position)) + ' ' + id + '\n';
  return out;
}

Result<RuleSwitches> parse_switches(std::string_view text) {
  RuleSwitches out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const std::size_t space = line.find(' ');
    const auto position = parse_position(line.substr(0, space));
    if (end == std::string_view::npos || space == std::string_view::npos || space + 1 == line.size() || !position)
      return fail(Errc::Corrupt, "line " + std::to_string(number) + " is none of a rule: " + escape_controls(line));
    out.insert_or_assign(std::string(line.substr(space + 1)), *position);
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace de::detect
