#include "sigma/correlation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "daemoneye/base/text.h"
#include "sigma/pattern.h"

namespace de::sigma {
namespace {

using config::Node;

constexpr std::size_t kMaxMembers = 8;  // Parts of a compound SELECT.
constexpr std::size_t kMaxGroups = 8;
constexpr std::int64_t kDayS = 86'400;
constexpr std::int64_t kMaxWindowS = 30 * kDayS;  // As far as a rule may look back.
constexpr std::int64_t kMaxFoldS = 7 * kDayS;
// A rule looks with every snapshot: what came since the last one still has its whole time behind it.
constexpr std::int64_t kSlackS = 600;
constexpr std::string_view kColumns = "pid, process_uid, name, executable_path, command_line, user_name, event_time_ms";

enum class Type : std::uint8_t { EventCount, ValueCount, Temporal, Ordered };
constexpr std::pair<std::string_view, Type> kTypes[] = {{"event_count", Type::EventCount},
                                                        {"value_count", Type::ValueCount},
                                                        {"temporal", Type::Temporal},
                                                        {"temporal_ordered", Type::Ordered}};
constexpr std::pair<std::string_view, std::string_view> kOperators[] = {{"gt", ">"},   {"gte", ">="}, {"lt", "<"},
                                                                        {"lte", "<="}, {"eq", "="},   {"neq", "<>"}};

struct Correlation {
  const Document& document;
  const Node& node;
  const std::vector<Member>& members;
  Type type = Type::EventCount;
  std::int64_t span_s = 0;
  std::vector<std::string> groups;
  std::string value;                    // The field whose values are counted.
  std::vector<std::string> conditions;  // On `n`.
  bool has_lower_limit = false;

  Error wrong(const Node& at, const std::string& what) const { return complaint(document.file, at, what); }
};

Result<> read_type(Correlation& c) {
  const Node* type = c.node.find("type");
  if (type == nullptr) return fail(c.wrong(c.node, "the correlation has no type"));
  const auto* found = std::ranges::find(kTypes, type->text, &std::pair<std::string_view, Type>::first);
  if (found == std::end(kTypes))
    return fail(
        c.wrong(*type, "correlations of type \"" + escape_controls(type->text) +
                           "\" are not converted; event_count, value_count, temporal and temporal_ordered are"));
  c.type = found->second;
  return {};
}

Result<> read_span(Correlation& c) {
  constexpr std::pair<char, std::int64_t> kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', kDayS}};
  const Node* span = c.node.find("timespan");
  if (span == nullptr) return fail(c.wrong(c.node, "the correlation has no timespan"));
  const std::string& text = span->text;
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto* unit =
      std::ranges::find(kUnits, text.empty() ? '\0' : text.back(), &std::pair<char, std::int64_t>::first);
  const bool is_whole = read.ec == std::errc() && read.ptr + 1 == text.data() + text.size();
  if (!is_whole || unit == std::end(kUnits) || number < 1 || number > kMaxWindowS / unit->second)
    return fail(c.wrong(*span, "expected a timespan as 30s, 10m, 2h or 1d, at most 30d"));
  c.span_s = number * unit->second;
  if (c.span_s + kSlackS > kMaxWindowS) return fail(c.wrong(*span, "a rule can look back 30 days at most"));
  return {};
}

Result<> read_groups(Correlation& c) {
  const Node* groups = c.node.find("group-by");
  if (groups == nullptr) return {};
  for (const Node& group : values_of(*groups)) {
    const auto is_plain = [](char ch) {
      return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_';
    };
    if (!group.is_scalar() || group.text.empty() || !std::ranges::all_of(group.text, is_plain))
      return fail(c.wrong(group, "group-by takes names of fields"));
    c.groups.push_back(group.text);
  }
  if (c.groups.size() > kMaxGroups) return fail(c.wrong(*groups, "at most 8 fields to group by"));
  return {};
}

Result<> read_condition(Correlation& c) {
  const Node* condition = c.node.find("condition");
  const bool counts = c.type == Type::EventCount || c.type == Type::ValueCount;
  if (condition == nullptr) {
    if (counts) return fail(c.wrong(c.node, "the correlation has no condition"));
    c.conditions.push_back("n >= " + std::to_string(c.members.size()));
    return {};
  }
  if (!condition->is_map())
    return fail(c.wrong(*condition, "expected a condition as {gte: 10}; others are not converted"));
  for (const auto& [key, value] : condition->entries) {
    if (key.text == "field" && c.type == Type::ValueCount && value.is_scalar()) {
      c.value = value.text;
      continue;
    }
    const auto* found = std::ranges::find(kOperators, key.text, &std::pair<std::string_view, std::string_view>::first);
    std::uint32_t number = 0;
    const auto read = std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
    if (found == std::end(kOperators) || value.text.empty() || read.ptr != value.text.data() + value.text.size())
      return fail(c.wrong(key, "a condition has gt, gte, lt, lte, eq or neq with a number" +
                                   std::string(c.type == Type::ValueCount ? ", and one field" : "")));
    c.conditions.push_back("n " + std::string(found->second) + " " + std::to_string(number));
    c.has_lower_limit |= found->first == "gt" || found->first == "gte" || found->first == "eq";
  }
  if (!c.has_lower_limit)
    return fail(c.wrong(*condition, "a condition needs gt, gte or eq: that little happened is not seen in an event"));
  if (c.type == Type::ValueCount && c.value.empty())
    return fail(c.wrong(*condition, "value_count needs the field whose values are counted"));
  if (c.type == Type::Ordered) return fail(c.wrong(*condition, "temporal_ordered with a condition is not converted"));
  return {};
}

// The column of `name`, a field or an alias of one, in what `member` looks for.
Result<std::string> column_for(const Correlation& c, const Member& member, const std::string& name) {
  std::string field = name;
  if (const Node* aliases = c.node.find("aliases"); aliases != nullptr) {
    if (const Node* alias = aliases->find(name); alias != nullptr) {
      const Node* own = alias->find(member.reference);
      if (own == nullptr || !own->is_scalar())
        return fail(c.wrong(*alias, "the alias says nothing about the rule " + escape_controls(member.reference)));
      field = own->text;
    }
  }
  const auto found = find_field(*member.detection.source, field);
  if (!found) return fail(c.wrong(c.node, found.error().message()));
  return sql_of(**found);
}

// What its rules look for, one row for each event: the columns of an alert, who is asked about as g0, g1, ..., the
// value that is counted as v, and the number of the rule.
Result<std::string> members_sql(const Correlation& c) {
  const bool apart = c.type == Type::Temporal || c.type == Type::Ordered;
  std::vector<std::pair<std::string, std::vector<std::string>>> parts;  // Columns, and conditions that share them.
  for (std::size_t i = 0; i < c.members.size(); ++i) {
    const Member& member = c.members[i];
    std::string columns = std::string(kColumns) + ", sequence";
    for (std::size_t g = 0; g < c.groups.size(); ++g) {
      DE_TRY(column, column_for(c, member, c.groups[g]));
      columns += ", " + column + " AS g" + std::to_string(g);
    }
    if (!c.value.empty()) {
      DE_TRY(column, column_for(c, member, c.value));
      columns += ", " + column + " AS v";
    }
    columns += ", " + std::to_string(apart ? i + 1 : 1) + " AS rule";
    const auto same = std::ranges::find(parts, columns, &std::pair<std::string, std::vector<std::string>>::first);
    if (same != parts.end())
      same->second.push_back(member.detection.sql);
    else
      parts.push_back({columns, {member.detection.sql}});
  }
  if (parts.size() > kMaxMembers) return fail(c.wrong(c.node, "more than 8 rules that have to be told apart"));
  const LogSource& source = *c.members.front().detection.source;
  std::string out;
  for (const auto& [columns, conditions] : parts)
    out += (out.empty() ? "" : " UNION ALL ") + ("SELECT " + columns) + " FROM " + std::string(source.table) +
           " WHERE " + std::string(source.event) + " AND " + joined(conditions, " OR ");
  return out;
}

std::string same_group(const Correlation& c, const std::string& one, const std::string& other) {
  std::string out;
  for (std::size_t g = 0; g < c.groups.size(); ++g)
    out += " AND " + one + ".g" + std::to_string(g) + " IS " + other + ".g" + std::to_string(g);
  return out;
}

// What is counted up to and with each event.
std::string counted_sql(const Correlation& c) {
  const std::string span_ms = std::to_string(c.span_s * 1000);
  if (c.type == Type::EventCount) {
    std::string partition;
    for (std::size_t g = 0; g < c.groups.size(); ++g)
      partition += (g == 0 ? "PARTITION BY g" : ", g") + std::to_string(g);
    return "count(*) OVER (" + partition + (partition.empty() ? "" : " ") + "ORDER BY event_time_ms RANGE BETWEEN " +
           span_ms + " PRECEDING AND CURRENT ROW)";
  }
  return std::string("(SELECT count(DISTINCT x.") + (c.type == Type::ValueCount ? "v" : "rule") +
         ") FROM m AS x WHERE x.event_time_ms BETWEEN l.event_time_ms - " + span_ms + " AND l.event_time_ms" +
         same_group(c, "x", "l") + ")";
}

// An event of the last rule, with one of each other before it, each behind the one before.
std::string ordered_sql(const Correlation& c) {
  std::string from, where;
  const auto moment = [](const std::string& row) { return "(" + row + ".event_time_ms, " + row + ".sequence)"; };
  const std::size_t steps = c.members.size();
  for (std::size_t i = 1; i < steps; ++i) {
    const std::string row = "e" + std::to_string(i);
    const std::string next = i + 1 == steps ? "l" : "e" + std::to_string(i + 1);
    from += (i == 1 ? "m AS " : ", m AS ") + row;
    where += (i == 1 ? "" : " AND ") + row + ".rule = " + std::to_string(i) + " AND " + moment(row) + " < " +
             moment(next) + same_group(c, row, "l");
  }
  return "l.rule = " + std::to_string(steps) + " AND EXISTS (SELECT 1 FROM " + from +
         " WHERE e1.event_time_ms >= " + "l.event_time_ms - " + std::to_string(c.span_s * 1000) + " AND " + where + ")";
}

Result<std::string> to_sql(const Correlation& c, const std::string& id) {
  DE_TRY(members, members_sql(c));
  std::string columns(kColumns);
  for (std::size_t g = 0; g < c.groups.size(); ++g)
    columns += ", g" + std::to_string(g) + " AS \"" + c.groups[g] + "\"";
  if (c.groups.empty()) columns += ", '" + id + "' AS correlation";  // To fold by.
  const std::string with = "WITH m AS MATERIALIZED (" + members + ") SELECT " + columns;
  if (c.type == Type::Ordered) return with + " FROM m AS l WHERE " + ordered_sql(c);
  std::string condition;
  for (const std::string& one : c.conditions) condition += (condition.empty() ? "" : " AND ") + one;
  return with + ", n AS " + (c.type == Type::ValueCount ? "value_count" : "event_count") + " FROM (SELECT *, " +
         counted_sql(c) + " AS n FROM m AS l) WHERE " + condition;
}

// Every run finds the same again until it is out of its time: folded, by who it is about.
std::string running(const Correlation& c) {
  const std::int64_t window_s = c.span_s + kSlackS;
  std::string keys;
  for (const std::string& group : c.groups) keys += (keys.empty() ? "" : ", ") + json_string(group);
  return "on: snapshot\nwindow: " + std::to_string(window_s) + "s\ndedup: {keys: [" +
         (keys.empty() ? "correlation" : keys) + "], seconds: " + std::to_string(std::min(window_s, kMaxFoldS)) + "}\n";
}

}  // namespace

Result<std::vector<std::string>> references_of(const Document& correlation) {
  const Node* node = correlation.node.find("correlation");
  const Node* rules = node == nullptr ? nullptr : node->find("rules");
  if (rules == nullptr)
    return fail(
        complaint(correlation.file, node == nullptr ? correlation.node : *node, "the correlation names no rules"));
  std::vector<std::string> out;
  for (const Node& rule : values_of(*rules)) {
    if (!rule.is_scalar()) return fail(complaint(correlation.file, rule, "a rule is named by its id or name"));
    out.push_back(rule.text);
  }
  return out;
}

Result<Converted> convert_correlation(const Document& correlation, const std::vector<Member>& members,
                                      const ConvertOptions& options) {
  const Node* node = correlation.node.find("correlation");
  Correlation c{correlation, *node, members, {}, 0, {}, {}, {}, false};
  constexpr std::string_view kKnown[] = {"type", "rules", "group-by", "timespan", "condition", "aliases", "generate"};
  for (const auto& [key, value] : node->entries)
    if (std::ranges::find(kKnown, key.text) == std::end(kKnown))
      return fail(c.wrong(key, "unknown key \"" + escape_controls(key.text) + "\"" + suggestion(key.text, kKnown)));
  DE_CHECK(read_type(c));
  DE_CHECK(read_span(c));
  DE_CHECK(read_groups(c));
  DE_CHECK(read_condition(c));
  if (c.type == Type::Ordered && members.size() < 2)
    return fail(c.wrong(*node, "temporal_ordered needs two rules or more"));
  const LogSource* source = members.front().detection.source;
  for (const Member& member : members)
    if (member.detection.source != source)
      return fail(c.wrong(*node, "rules over different log sources cannot be put together yet"));
  Converted out;
  DE_TRY(id, id_of(correlation));
  out.id = id;
  out.table = std::string(source->table);
  out.is_served = source->is_served;
  if (!out.is_served)
    return fail(c.wrong(*node, "of " + out.table + " only what it has now is kept; a correlation looks back"));
  DE_TRY(sql, to_sql(c, id));
  out.sql = std::move(sql);
  DE_TRY(yaml, to_rule_file(correlation, out, running(c), options));
  out.yaml = std::move(yaml);
  return out;
}

}  // namespace de::sigma
