#include "detect/rule_reader.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "daemoneye/base/text.h"
#include "daemoneye/crypto/digest.h"
#include "daemoneye/osquery/dialect.h"
#include "daemoneye/schema/rule_text.h"

namespace de::detect {
namespace {

using config::Node;

constexpr std::int64_t kMaxDedupSeconds = 7LL * 86'400;  // Beyond a week it hides more than it folds.

Result<std::int64_t> read_number(std::string_view file, const Node& node, std::string_view key, std::int64_t least,
                                 std::int64_t most) {
  std::int64_t value = 0;
  const char* end = node.text.data() + node.text.size();
  const auto [stop, ec] = std::from_chars(node.text.data(), end, value);
  if (!node.is_scalar() || ec != std::errc{} || stop != end || value < least || value > most)
    return fail(complaint(
        file, node,
        std::string(key) + " must be a whole number from " + std::to_string(least) + " to " + std::to_string(most)));
  return value;
}

template <class Value, std::size_t N>
Result<Value> read_choice(std::string_view file, const Node& node, std::string_view key,
                          const std::pair<std::string_view, Value> (&choices)[N]) {
  std::vector<std::string_view> names;
  std::string list;
  for (const auto& [name, value] : choices) {
    if (node.is_scalar() && node.text == name) return value;
    names.push_back(name);
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  return fail(complaint(file, node, std::string(key) + " must be one of " + list + suggestion(node.text, names)));
}

constexpr std::pair<std::string_view, pb::Severity> kSeverities[] = {{"low", pb::SEVERITY_LOW},
                                                                     {"medium", pb::SEVERITY_MEDIUM},
                                                                     {"high", pb::SEVERITY_HIGH},
                                                                     {"critical", pb::SEVERITY_CRITICAL}};
constexpr std::pair<std::string_view, bool> kDialects[] = {{"sqlite", false}, {"osquery", true}};
constexpr std::pair<std::string_view, Trigger> kTriggers[] = {
    {"event", Trigger::Event}, {"snapshot", Trigger::Snapshot}, {"both", Trigger::Both}};

// What every field reader needs for its complaints.
struct Reading {
  std::string_view file;
  std::string_view key;
};

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxRuleIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

Result<> read_dedup(std::string_view file, const Node& node, Dedup& out) {
  static constexpr std::string_view kKnown[] = {"keys", "seconds"};
  if (!node.is_map()) return fail(complaint(file, node, "dedup must be a map: {keys: [...], seconds: 300}"));
  DE_CHECK(refuse_unknown_keys(file, node, kKnown));
  if (const Node* keys = node.find("keys")) {
    DE_TRY(names, read_names(file, *keys, "dedup.keys"));
    out.keys = std::move(names);
  }
  if (const Node* seconds = node.find("seconds")) {
    DE_TRY(number, read_number(file, *seconds, "dedup.seconds", 0, kMaxDedupSeconds));
    out.seconds = static_cast<std::uint32_t>(number);
  }
  return {};
}

Result<> read_requires(std::string_view file, const Node& node, Requirement& out) {
  static constexpr std::string_view kKnown[] = {"tables", "columns"};
  if (!node.is_map()) return fail(complaint(file, node, "requires must be a map: {tables: [...], columns: [...]}"));
  DE_CHECK(refuse_unknown_keys(file, node, kKnown));
  if (const Node* tables = node.find("tables")) {
    DE_TRY(names, read_names(file, *tables, "requires.tables"));
    out.tables = std::move(names);
  }
  if (const Node* columns = node.find("columns")) {
    DE_TRY(names, read_names(file, *columns, "requires.columns"));
    out.columns = std::move(names);
  }
  return {};
}

Result<> read_id(const Reading& at, const Node& node, Rule& rule) {
  DE_TRY(id, read_text(at.file, node, at.key, kMaxRuleIdBytes));
  if (!is_id(id)) return fail(complaint(at.file, node, "id must be made of letters, digits, '-', '_' and '.'"));
  rule.id = std::move(id);
  return {};
}

Result<> read_sql(const Reading& at, const Node& node, Rule& rule) {
  DE_TRY(sql, read_text(at.file, node, at.key, kMaxRuleSqlBytes));
  // Of a block ("sql: |") the position is that of its sign; the text starts on the next line.
  const bool block = node.quoted && sql.find('\n') != std::string::npos && node.column > 1;
  rule.place.sql_line = node.line + (block ? 1 : 0);
  rule.sql = std::move(sql);
  return {};
}

struct Field {
  std::string_view key;
  Result<> (*read)(const Reading& at, const Node& node, Rule& rule);
};

template <std::string Rule::*member, std::size_t max_bytes>
Result<> read_line(const Reading& at, const Node& node, Rule& rule) {
  DE_TRY(text, read_text(at.file, node, at.key, max_bytes));
  rule.*member = std::move(text);
  return {};
}

constexpr Field kFields[] = {
    {"id", read_id},
    {"name", read_line<&Rule::name, kMaxRuleLineBytes>},
    {"description", read_line<&Rule::description, kMaxRuleDescriptionBytes>},
    {"severity",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       DE_TRY(severity, read_choice(at.file, node, at.key, kSeverities));
       rule.severity = severity;
       return {};
     }},
    {"category", read_line<&Rule::category, kMaxRuleLineBytes>},
    {"tags",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       DE_TRY(tags, read_names(at.file, node, at.key));
       rule.tags = std::move(tags);
       return {};
     }},
    {"author", read_line<&Rule::author, kMaxRuleLineBytes>},
    {"version", read_line<&Rule::version, kMaxRuleLineBytes>},
    {"license", read_line<&Rule::license, kMaxRuleLineBytes>},
    {"source", read_line<&Rule::source, kMaxRuleLineBytes>},
    {"enabled",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       DE_TRY(enabled, read_bool(at.file, node, at.key));
       rule.enabled = enabled;
       return {};
     }},
    {"on",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       DE_TRY(trigger, read_choice(at.file, node, at.key, kTriggers));
       rule.on = trigger;
       rule.on_given = true;
       return {};
     }},
    {"window",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       DE_TRY(window, read_duration(at.file, node, at.key, kMaxWindowMs, "30 days, such as 90s, 10m, 2h or 1d"));
       rule.window_ms = window;
       return {};
     }},
    {"priority",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       DE_TRY(priority, read_number(at.file, node, at.key, 1, 10));
       rule.priority = static_cast<int>(priority);
       return {};
     }},
    {"dedup",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> { return read_dedup(at.file, node, rule.dedup); }},
    {"requires",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       return read_requires(at.file, node, rule.requires_);
     }},
    {"dialect",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       DE_TRY(is_of_osquery, read_choice(at.file, node, at.key, kDialects));
       rule.is_of_osquery = is_of_osquery;
       return {};
     }},
    {"sql", read_sql},
    {"trace",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       DE_TRY(order, read_trace(at.file, node));
       rule.trace = std::move(order);
       return {};
     }},
    {"tests",
     [](const Reading& at, const Node& node, Rule& rule) -> Result<> {
       DE_TRY(tests, read_tests(at.file, node));
       rule.tests = std::move(tests);
       return {};
     }},
};

std::vector<std::string_view> field_keys() {
  std::vector<std::string_view> keys;
  for (const Field& field : kFields) keys.push_back(field.key);
  return keys;
}

Result<> translate(std::string_view file, Rule& rule) {
  if (!rule.is_of_osquery) return {};
  auto translated = osquery::from_osquery(rule.sql);
  if (!translated)
    return fail(Errc::Invalid, escape_controls(file) + ":" + std::to_string(rule.place.sql_line) + ":1: rule " +
                                   rule.id + ": sql: " + translated.error().message());
  rule.translated = std::move(*translated);
  return {};
}

// What a pack says once for all its rules.
struct PackDefaults {
  std::string author, version, license;
};

Result<PackDefaults> read_metadata(std::string_view file, const Node& node) {
  static constexpr std::string_view kKnown[] = {"name", "description", "author", "version", "license"};
  if (!node.is_map()) return fail(complaint(file, node, "metadata must be a map"));
  DE_CHECK(refuse_unknown_keys(file, node, kKnown));
  PackDefaults out;
  for (const auto& [key, value] : node.entries) {
    DE_TRY(text, read_text(file, value, key.text, kMaxRuleDescriptionBytes));
    if (key.text == "author") out.author = text;
    if (key.text == "version") out.version = text;
    if (key.text == "license") out.license = text;
  }
  return out;
}

// Each node with its kind and length, so that no two trees are the same bytes.
void add_to(crypto::Blake3& digest, const Node& node) {
  const std::size_t children = node.is_list() ? node.items.size() : node.entries.size();
  digest.update(std::string(to_text(node.kind)) + " " + std::to_string(node.is_scalar() ? node.text.size() : children) +
                " " + node.text);
  for (const Node& item : node.items) add_to(digest, item);
  for (const auto& [key, value] : node.entries) {
    add_to(digest, key);
    add_to(digest, value);
  }
}

Result<std::vector<Rule>> read_list(std::string_view file, const Node& list) {
  if (!list.is_list()) return fail(complaint(file, list, "rules must be a list of rules"));
  if (list.items.size() > kMaxRulesPerFile)
    return fail(complaint(file, list, "more than " + std::to_string(kMaxRulesPerFile) + " rules in one file"));
  std::vector<Rule> rules;
  std::set<std::string, std::less<>> ids;
  for (const Node& item : list.items) {
    DE_TRY(rule, read_rule(file, item));
    if (!ids.insert(rule.id).second)
      return fail(complaint(file, item, "rule id \"" + rule.id + "\" appears twice in this file"));
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace

Error complaint(std::string_view file, const Node& node, const std::string& what) {
  return {Errc::Invalid, config::at(file, node) + ": " + what};
}

Result<std::string> read_text(std::string_view file, const Node& node, std::string_view key, std::size_t max_bytes) {
  if (!node.is_scalar())
    return fail(complaint(file, node, std::string(key) + " must be text, found " + std::string(to_text(node.kind))));
  if (node.text.size() > max_bytes)
    return fail(complaint(file, node, std::string(key) + " is longer than " + std::to_string(max_bytes) + " bytes"));
  return node.text;
}

Result<std::vector<std::string>> read_names(std::string_view file, const Node& node, std::string_view key) {
  if (!node.is_list())
    return fail(complaint(file, node, std::string(key) + " must be a list, found " + std::string(to_text(node.kind))));
  if (node.items.size() > kMaxRuleListItems)
    return fail(
        complaint(file, node, std::string(key) + " has more than " + std::to_string(kMaxRuleListItems) + " items"));
  std::vector<std::string> out;
  for (const Node& item : node.items) {
    DE_TRY(text, read_text(file, item, "an item of " + std::string(key), kMaxRuleLineBytes));
    if (text.empty()) return fail(complaint(file, item, "an item of " + std::string(key) + " is empty"));
    out.push_back(std::move(text));
  }
  return out;
}

Result<bool> read_bool(std::string_view file, const Node& node, std::string_view key) {
  if (node.is_scalar() && node.text == "true") return true;
  if (node.is_scalar() && node.text == "false") return false;
  return fail(complaint(file, node, std::string(key) + " must be true or false"));
}

Result<std::int64_t> read_duration(std::string_view file, const Node& node, std::string_view key, std::int64_t most_ms,
                                   std::string_view advice) {
  std::int64_t value = 0;
  const char* end = node.text.data() + node.text.size();
  const auto [stop, ec] = std::from_chars(node.text.data(), end, value);
  std::int64_t unit = 0;
  if (node.is_scalar() && ec == std::errc{} && stop + 1 == end)
    unit = *stop == 's' ? 1'000 : *stop == 'm' ? 60'000 : *stop == 'h' ? 3'600'000 : *stop == 'd' ? 86'400'000 : 0;
  if (unit == 0 || value < 1 || value > most_ms / unit)
    return fail(complaint(file, node, std::string(key) + " must be a time of at most " + std::string(advice)));
  return value * unit;
}

Result<> refuse_unknown_keys(std::string_view file, const Node& map, std::span<const std::string_view> known) {
  for (const auto& [key, value] : map.entries)
    if (std::find(known.begin(), known.end(), key.text) == known.end())
      return fail(
          complaint(file, key, "unknown key \"" + escape_controls(key.text) + "\"" + suggestion(key.text, known)));
  return {};
}

Result<Rule> read_rule(std::string_view file, const Node& node) {
  if (!node.is_map())
    return fail(complaint(file, node, "a rule must be a map of keys, found " + std::string(to_text(node.kind))));
  static const std::vector<std::string_view> keys = field_keys();
  DE_CHECK(refuse_unknown_keys(file, node, keys));
  Rule rule;
  rule.place.file = std::string(file);
  rule.place.line = node.line;
  for (const Field& field : kFields) {
    const Node* value = node.find(field.key);
    if (value == nullptr) continue;
    // "author:" with nothing behind it says nothing; only what is required must not be empty.
    if (value->is_null() && field.key != "id" && field.key != "sql") continue;
    DE_CHECK(field.read({file, field.key}, *value, rule));
  }
  if (rule.id.empty()) return fail(complaint(file, node, "the rule has no id"));
  if (rule.sql.find_first_not_of(" \t\r\n") == std::string::npos)
    return fail(complaint(file, node, "rule " + rule.id + " has no sql"));
  if (rule.name.empty()) rule.name = rule.id;
  DE_CHECK(translate(file, rule));
  crypto::Blake3 digest;
  add_to(digest, node);
  rule.digest = to_hex(crypto::as_bytes(digest.finish()));
  return rule;
}

Result<std::vector<Rule>> read_rules(std::string_view file, const Node& root) {
  if (root.is_null()) return std::vector<Rule>{};
  if (root.is_list()) return read_list(file, root);
  if (const Node* list = root.find("rules")) {
    static constexpr std::string_view kKnown[] = {"rules", "metadata"};
    DE_CHECK(refuse_unknown_keys(file, root, kKnown));
    PackDefaults defaults;
    if (const Node* metadata = root.find("metadata")) {
      DE_TRY(read, read_metadata(file, *metadata));
      defaults = std::move(read);
    }
    DE_TRY(rules, read_list(file, *list));
    for (Rule& rule : rules) {
      if (rule.author.empty()) rule.author = defaults.author;
      if (rule.version.empty()) rule.version = defaults.version;
      if (rule.license.empty()) rule.license = defaults.license;
    }
    return std::move(rules);
  }
  DE_TRY(rule, read_rule(file, root));
  std::vector<Rule> rules;
  rules.push_back(std::move(rule));
  return rules;
}

}  // namespace de::detect
