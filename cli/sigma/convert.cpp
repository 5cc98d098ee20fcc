#include "sigma/convert.h"

#include <algorithm>
#include <array>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/rule_text.h"
#include "sigma/condition.h"
#include "sigma/pattern.h"

namespace de::sigma {
namespace {

using config::Node;

constexpr std::size_t kMaxIdBytes = kMaxRuleIdBytes - 28;  // Something is put in front of it.

// A map of items, all of which are to match.
Result<std::string> map_to_sql(const Scope& scope, const Node& map) {
  std::vector<std::string> terms;
  for (const auto& [key, values] : map.entries) {
    DE_TRY(term, item_to_sql(scope, key, values));
    terms.push_back(std::move(term));
  }
  if (terms.empty()) return fail(complaint(scope.file, map, "there is nothing to look for"));
  return joined(terms, " AND ");
}

// A list of maps, one of which is to match, or of keywords.
Result<std::string> list_to_sql(const Scope& scope, const Node& list) {
  const auto maps = std::ranges::count_if(list.items, [](const Node& item) { return item.is_map(); });
  if (maps == 0) return keywords_to_sql(scope, list, false);
  std::vector<std::string> terms;
  for (const Node& item : list.items) {
    auto term = item.is_map() ? map_to_sql(scope, item) : keywords_to_sql(scope, item, false);
    if (!term) return fail(std::move(term).error());
    terms.push_back(std::move(*term));
  }
  return joined(terms, " OR ");
}

Result<std::string> part_to_sql(const Scope& scope, const Node& part) {
  if (part.is_map()) return map_to_sql(scope, part);
  if (part.is_list()) return list_to_sql(scope, part);
  return keywords_to_sql(scope, part, false);
}

std::string_view severity_of(std::string_view level) {
  for (const std::string_view known : {"critical", "high", "medium", "low"})
    if (level == known) return known;
  return level == "informational" ? "low" : "medium";
}

// What the rule says of itself.
Result<> add_texts(std::string& yaml, const Node& rule, const std::string& id, const std::string& source) {
  DE_CHECK(add_rule_line(yaml, "id", id));
  DE_CHECK(add_rule_line(yaml, "name", text_of(rule, "title")));
  DE_CHECK(add_rule_line(yaml, "description", text_of(rule, "description"), kMaxRuleDescriptionBytes));
  yaml += "severity: " + std::string(severity_of(text_of(rule, "level"))) + "\n";
  DE_CHECK(add_rule_line(yaml, "author", text_of(rule, "author")));
  DE_CHECK(add_rule_line(yaml, "license", text_of(rule, "license").empty() ? "DRL-1.1" : text_of(rule, "license")));
  DE_CHECK(add_rule_line(yaml, "source", source));
  std::vector<std::string> tags;
  if (const Node* list = rule.find("tags"); list != nullptr)
    for (const Node& tag : list->items) tags.push_back(tag.text);
  return add_rule_list(yaml, "tags", tags);
}

// Indented below "sql: |". It has no control characters: patterns with them are regular expressions that spell them.
void add_sql(std::string& yaml, const std::string& sql) { yaml += "sql: |\n  " + sql + "\n"; }

Result<> check_keys(std::string_view file, const Node& rule) {
  if (!rule.is_map()) return fail(complaint(file, rule, "a Sigma rule is a map with title, logsource and detection"));
  if (const Node* found = rule.find("action"); found != nullptr)
    return fail(complaint(file, *found, "documents with \"action\" are not converted"));
  for (const char* needed : {"title", "logsource", "detection"})
    if (rule.find(needed) == nullptr) return fail(complaint(file, rule, std::string("the rule has no ") + needed));
  return {};
}

// The condition alone, over the columns of the log source. A filter is a detection that also names rules.
Result<std::string> detection_to_sql(const Scope& scope, const Node& detection, bool is_filter) {
  Parts parts;
  const Node* condition = nullptr;
  if (!detection.is_map()) return fail(complaint(scope.file, detection, "detection must be a map"));
  for (const auto& [name, part] : detection.entries) {
    if (name.text == "condition") {
      condition = &part;
    } else if (is_filter && name.text == "rules") {
      continue;
    } else if (name.text == "timeframe") {
      return fail(complaint(scope.file, name, "timeframe is not converted: it goes with aggregations"));
    } else {
      DE_TRY(sql, part_to_sql(scope, part));
      parts.emplace(name.text, std::move(sql));
    }
  }
  if (condition == nullptr) return fail(complaint(scope.file, detection, "the detection has no condition"));
  std::vector<std::string> any;
  for (const Node& node : values_of(*condition)) {
    auto sql = condition_to_sql(node.text, parts);
    if (!sql) return fail(complaint(scope.file, node, sql.error().message()));
    any.push_back(std::move(*sql));
  }
  return joined(any, " OR ");
}

}  // namespace

std::string text_of(const Node& node, std::string_view key) {
  const Node* const found = node.find(key);
  return found != nullptr && found->is_scalar() ? found->text : std::string();
}

Result<std::string> id_of(const Document& document) {
  const Node* const found = document.node.find("id");
  if (found == nullptr) return fail(complaint(document.file, document.node, "the rule has no id"));
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (found->text.empty() || found->text.size() > kMaxIdBytes || !std::ranges::all_of(found->text, is_allowed))
    return fail(
        complaint(document.file, *found,
                  "the id must be made of up to " + std::to_string(kMaxIdBytes) + " letters, digits, '-' and '_'"));
  return "sigma-" + found->text;
}

Result<std::string> to_rule_file(const Document& document, const Converted& made, const std::string& running,
                                 const ConvertOptions& options) {
  const Node& rule = document.node;
  if (made.sql.size() > kMaxRuleSqlBytes)
    return fail(complaint(document.file, rule,
                          "the SQL would have " + std::to_string(made.sql.size()) + " bytes, a rule may have " +
                              std::to_string(kMaxRuleSqlBytes)));
  if (escape_controls(made.sql) != made.sql)
    return fail(complaint(document.file, rule, "a value has control characters where they cannot be written down"));
  std::string out =
      "# Converted from Sigma, under the Detection Rule License 1.1: its author is to be named with every match.\n";
  if (const auto texts = add_texts(out, rule, made.id, options.source); !texts)
    return fail(complaint(document.file, rule, texts.error().message()));
  out += running;
  add_sql(out, made.sql);
  return out;
}

Result<Detection> detection_of(const Document& rule, std::span<const Document* const> filters,
                               const Placeholders& placeholders) {
  DE_CHECK(check_keys(rule.file, rule.node));
  const Node& from = *rule.node.find("logsource");
  auto source = find_log_source(text_of(from, "product"), text_of(from, "category"), text_of(from, "service"));
  if (!source) return fail(complaint(rule.file, from, source.error().message()));
  Detection out{*source, {}};
  DE_TRY(where, detection_to_sql({rule.file, **source, placeholders}, *rule.node.find("detection"), false));
  out.sql = std::move(where);
  for (const Document* filter : filters) {
    DE_TRY(narrower, detection_to_sql({filter->file, **source, placeholders}, *filter->node.find("filter"), true));
    out.sql = joined({out.sql, narrower}, " AND ");
  }
  return out;
}

Result<Converted> convert(const Document& rule, std::span<const Document* const> filters,
                          const ConvertOptions& options) {
  DE_TRY(detection, detection_of(rule, filters, options.placeholders));
  Converted out;
  DE_TRY(id, id_of(rule));
  const LogSource& source = *detection.source;
  out.id = id;
  out.table = std::string(source.table);
  out.is_served = source.is_served;
  out.sql = "SELECT " + std::string(source.columns) + " FROM " + out.table + " WHERE " + std::string(source.event) +
            (source.event.empty() ? "" : " AND ") + detection.sql;
  // A table that a collector may tell one day: the rule waits for it.
  const std::string running = out.is_served ? "on: event\n" : "on: snapshot\nrequires: {tables: [" + out.table + "]}\n";
  DE_TRY(yaml, to_rule_file(rule, out, running, options));
  out.yaml = std::move(yaml);
  return out;
}

Result<Converted> convert(std::string_view file, std::string_view text, const ConvertOptions& options) {
  DE_TRY(node, config::parse_yaml(file, text));
  return convert({std::string(file), std::move(node)}, {}, options);
}

}  // namespace de::sigma
