#include "detect/rule.h"

#include "daemoneye/config/yaml_tree.h"
#include "detect/rule_reader.h"

namespace de::detect {

std::string_view to_text(Trigger trigger) {
  switch (trigger) {
    case Trigger::Event:
      return "event";
    case Trigger::Snapshot:
      return "snapshot";
    case Trigger::Both:
      return "both";
  }
  return "snapshot";
}

Result<std::vector<Rule>> parse_rule_text(std::string_view file_name, std::string_view text) {
  if (text.size() > kMaxRuleFileBytes) return fail(Errc::TooLarge, std::string(file_name) + ": larger than 1 MiB");
  if (!file_name.ends_with(".sql")) {
    DE_TRY(root, config::parse_yaml(file_name, text));
    return read_rules(file_name, root);
  }
  DE_TRY(node, read_sql_header(file_name, text));
  DE_TRY(rule, read_rule(file_name, node));
  std::vector<Rule> rules;
  rules.push_back(std::move(rule));
  return rules;
}

}  // namespace de::detect
