#include "sigma/convert.h"

#include <algorithm>
#include <array>

#include "daemoneye/base/text.h"
#include "sigma/condition.h"
#include "sigma/pattern.h"

namespace de::sigma {
namespace {

using config::Node;

constexpr std::size_t kMaxIdBytes = 100;  // A rule's id has 128 at most, and something is put in front of this one.
constexpr std::size_t kMaxSqlBytes = 128UL << 10;  // What a rule may have.

std::string text_of(const Node& rule, std::string_view key) {
  const Node* const found = rule.find(key);
  return found != nullptr && found->is_scalar() ? found->text : std::string();
}

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

void add_line(std::string& yaml, std::string_view key, const std::string& value) {
  if (!value.empty()) yaml += std::string(key) + ": " + json_string(value) + "\n";
}

// Indented below "sql: |". It has no control characters: patterns with them are regular expressions that spell them.
void add_sql(std::string& yaml, const std::string& sql) { yaml += "sql: |\n  " + sql + "\n"; }

std::string to_yaml(const Node& rule, const Converted& made, const ConvertOptions& options) {
  std::string out =
      "# Converted from Sigma, under the Detection Rule License 1.1: its author is to be named with every match.\n";
  add_line(out, "id", made.id);
  add_line(out, "name", text_of(rule, "title"));
  add_line(out, "description", text_of(rule, "description"));
  out += "severity: " + std::string(severity_of(text_of(rule, "level"))) + "\n";
  add_line(out, "author", text_of(rule, "author"));
  add_line(out, "license", text_of(rule, "license").empty() ? "DRL-1.1" : text_of(rule, "license"));
  add_line(out, "source", options.source);
  std::string tags;
  if (const Node* list = rule.find("tags"); list != nullptr)
    for (const Node& tag : list->items)
      if (!tag.text.empty()) tags += (tags.empty() ? "" : ", ") + json_string(tag.text);
  if (!tags.empty()) out += "tags: [" + tags + "]\n";
  out += "on: event\n";
  add_sql(out, made.sql);
  return out;
}

// It becomes the name of a file.
Result<std::string> id_of(std::string_view file, const Node& rule) {
  const Node* const found = rule.find("id");
  if (found == nullptr) return fail(complaint(file, rule, "the rule has no id"));
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (found->text.empty() || found->text.size() > kMaxIdBytes || !std::ranges::all_of(found->text, is_allowed))
    return fail(complaint(
        file, *found, "the id must be made of up to " + std::to_string(kMaxIdBytes) + " letters, digits, '-' and '_'"));
  return found->text;
}

Result<> check_keys(std::string_view file, const Node& rule) {
  if (!rule.is_map()) return fail(complaint(file, rule, "a Sigma rule is a map with title, logsource and detection"));
  for (const char* what : {"correlation", "filter", "action"})
    if (const Node* found = rule.find(what); found != nullptr)
      return fail(complaint(file, *found, std::string("documents with \"") + what + "\" are not converted"));
  for (const char* needed : {"title", "logsource", "detection"})
    if (rule.find(needed) == nullptr) return fail(complaint(file, rule, std::string("the rule has no ") + needed));
  return {};
}

// The condition alone, over the columns of the log source.
Result<std::string> detection_to_sql(const Scope& scope, const Node& detection) {
  Parts parts;
  const Node* condition = nullptr;
  if (!detection.is_map()) return fail(complaint(scope.file, detection, "detection must be a map"));
  for (const auto& [name, part] : detection.entries) {
    if (name.text == "condition") {
      condition = &part;
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

Result<Converted> convert(std::string_view file, std::string_view text, const ConvertOptions& options) {
  DE_TRY(rule, config::parse_yaml(file, text));
  DE_CHECK(check_keys(file, rule));
  const Node& from = *rule.find("logsource");
  auto source = find_log_source(text_of(from, "product"), text_of(from, "category"), text_of(from, "service"));
  if (!source) return fail(complaint(file, from, source.error().message()));
  const Scope scope{file, **source, options.placeholders};
  DE_TRY(where, detection_to_sql(scope, *rule.find("detection")));
  Converted out;
  DE_TRY(id, id_of(file, rule));
  out.id = "sigma-" + id;
  out.table = std::string((*source)->table);
  out.is_served = (*source)->is_served;
  out.sql = "SELECT " + std::string((*source)->columns) + " FROM " + out.table + " WHERE " +
            std::string((*source)->event) + ((*source)->event.empty() ? "" : " AND ") + where;
  if (out.sql.size() > kMaxSqlBytes)
    return fail(complaint(file, rule,
                          "the SQL would have " + std::to_string(out.sql.size()) + " bytes, a rule may have " +
                              std::to_string(kMaxSqlBytes)));
  if (escape_controls(out.sql) != out.sql)
    return fail(complaint(file, rule, "a value has control characters where they cannot be written down"));
  out.yaml = to_yaml(rule, out, options);
  return out;
}

}  // namespace de::sigma
