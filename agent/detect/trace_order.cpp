#include "detect/trace_order.h"

#include <algorithm>
#include <map>
#include <utility>

#include "daemoneye/base/text.h"
#include "detect/rule_book.h"
#include "detect/rule_reader.h"

namespace de::detect {
namespace {

using config::Node;

Result<> read_capture(std::string_view file, const Node& node, TraceOrder& out) {
  static constexpr std::string_view kKinds[] = {"command_line", "environment", "open_files"};
  DE_TRY(names, read_names(file, node, "trace.capture"));
  for (const std::string& name : names) {
    if (name == "command_line") out.command_line = true;
    if (name == "environment") out.environment = true;
    if (name == "open_files") out.open_files = true;
    if (std::ranges::find(kKinds, name) == std::end(kKinds))
      return fail(complaint(file, node,
                            "trace.capture: nothing is called \"" + escape_controls(name) + "\"" +
                                suggestion(name, kKinds) + "; it is a list of command_line, environment, open_files"));
  }
  if (names.empty()) return fail(complaint(file, node, "trace.capture is empty; leave it out to have everything"));
  return {};
}

using Rules = std::vector<std::shared_ptr<const Rule>>;
using ById = std::map<std::string_view, std::size_t>;

ById index_of(const Rules& rules) {
  ById out;
  for (std::size_t i = 0; i < rules.size(); ++i) out.emplace(rules[i]->id, i);
  return out;
}

// Why a rule cannot follow the ones it names; empty: it can.
std::string why_no_source(const Rule& rule, const Rules& rules, const ById& places, const RuleSet& set) {
  for (const std::string& id : *rule.trace->after) {
    if (std::ranges::find(set.deleted, id) != set.deleted.end()) continue;
    const auto found = places.find(id);
    if (found == places.end()) {
      std::vector<std::string_view> known;
      for (const auto& one : rules)
        if (one->trace) known.push_back(one->id);
      return "trace.after: there is no rule " + escape_controls(id) + suggestion(id, known);
    }
    if (!rules[found->second]->trace) return "trace.after: rule " + id + " has no trace";
  }
  return {};
}

// 0: not known.
std::uint32_t depth_of(const Rule& rule, const ById& places, const std::vector<std::uint32_t>& depths) {
  std::uint32_t most = 0;
  for (const std::string& id : *rule.trace->after) {
    const auto found = places.find(id);
    if (found == places.end()) continue;  // Deleted by command: it begins none.
    if (depths[found->second] == 0) return 0;
    most = std::max(most, depths[found->second]);
  }
  return most + 1;
}

// "a after b after a".
std::string circle_of(std::size_t at, const Rules& rules, const ById& places,
                      const std::vector<std::uint32_t>& depths) {
  std::vector<std::size_t> path;
  while (std::ranges::find(path, at) == path.end()) {
    path.push_back(at);
    const auto& after = *rules[at]->trace->after;
    const auto next = std::ranges::find_if(after, [&](const std::string& id) {
      const auto found = places.find(id);
      return found != places.end() && depths[found->second] == 0;
    });
    at = places.at(*next);  // There is one: otherwise its depth would be known.
  }
  std::string out;
  for (auto step = std::ranges::find(path, at); step != path.end(); ++step) out += rules[*step]->id + " after ";
  return out + rules[at]->id;
}

std::vector<std::uint32_t> find_depths(const Rules& rules, const ById& places) {
  std::vector<std::uint32_t> depths(rules.size(), 0);
  for (bool is_new = true; is_new;) {
    is_new = false;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (!rules[i]->trace || depths[i] != 0) continue;
      depths[i] = rules[i]->trace->after ? depth_of(*rules[i], places, depths) : 1;
      is_new |= depths[i] != 0;
    }
  }
  return depths;
}

FileError refusal(const Rule& rule, const std::string& why) {
  return {rule.place.file,
          escape_controls(rule.place.file) + ":" + std::to_string(rule.place.line) + ":1: rule " + rule.id + ": " + why,
          false};
}

// Whoever follows a rule that is refused is refused as well: until nobody is.
void refuse_sourceless(RuleSet& set) {
  for (bool is_other = true; is_other;) {
    const ById places = index_of(set.rules);
    Rules kept;
    for (const auto& rule : set.rules) {
      const bool follows = rule->trace && rule->trace->after;
      const std::string why = follows ? why_no_source(*rule, set.rules, places, set) : std::string();
      if (why.empty())
        kept.push_back(rule);
      else
        set.errors.push_back(refusal(*rule, why));
    }
    is_other = kept.size() != set.rules.size();
    set.rules = std::move(kept);
  }
}

}  // namespace

Result<TraceOrder> read_trace(std::string_view file, const Node& node) {
  static constexpr std::string_view kKnown[] = {"capture", "for", "descendants", "after"};
  if (!node.is_map())
    return fail(complaint(file, node, "trace must be a map: {capture: [command_line, open_files], for: 60s}"));
  DE_CHECK(refuse_unknown_keys(file, node, kKnown));
  TraceOrder out;
  if (const Node* capture = node.find("capture"))
    DE_CHECK(read_capture(file, *capture, out));
  else
    out.command_line = out.environment = out.open_files = true;
  if (const Node* length = node.find("for")) {
    DE_TRY(for_ms, read_duration(file, *length, "trace.for", kMaxTraceMs, "10 minutes, such as 30s or 5m"));
    out.for_ms = for_ms;
  }
  if (const Node* descendants = node.find("descendants")) {
    DE_TRY(wanted, read_bool(file, *descendants, "trace.descendants"));
    out.descendants = wanted;
  }
  if (const Node* after = node.find("after")) {
    DE_TRY(ids, read_names(file, *after, "trace.after"));
    out.after = std::make_shared<const std::set<std::string>>(ids.begin(), ids.end());
  }
  return out;
}

Result<> check_trace(const Rule& rule, const std::vector<std::string>& columns) {
  if (!rule.trace) return {};
  const bool looks = std::ranges::find(rule.tables, "traces") != rule.tables.end();
  if (std::ranges::find(columns, "pid") == columns.end())
    return fail(Errc::Invalid, "trace: the result has no column pid that says of which process");
  if (looks && !rule.trace->after)
    return fail(Errc::Invalid,
                "trace: the rule looks at traces and begins some: name the rules whose traces it follows, as trace: "
                "{after: [RULE]}");
  // The current snapshot need not have the process any more, or yet.
  if (looks && std::ranges::find(columns, "process_uid") == columns.end())
    return fail(Errc::Invalid, "trace: the result has no column process_uid, which tells the process from others");
  if (!looks && rule.trace->after) return fail(Errc::Invalid, "trace.after: the rule does not read traces; remove it");
  return {};
}

std::string to_text(const TraceOrder& order) {
  std::string out;
  const auto add = [&out](bool is_wanted, const char* what) {
    if (is_wanted) out += (out.empty() ? "" : ", ") + std::string(what);
  };
  add(order.command_line, "command_line");
  add(order.environment, "environment");
  add(order.open_files, "open_files");
  out += " for " + std::to_string(order.for_ms / 1'000) + "s";
  if (order.descendants) out += ", with descendants";
  const char* before = ", after ";
  for (const std::string& id : order.after ? *order.after : std::set<std::string>()) {
    out += before + id;
    before = ", ";
  }
  return out;
}

Result<> check_traces(const std::vector<Rule>& rules, const RuleSet& others) {
  if (std::ranges::none_of(rules, [](const Rule& rule) { return rule.trace.has_value(); })) return {};
  RuleSet both;
  both.deleted = others.deleted;
  for (const Rule& rule : rules) both.rules.push_back(std::make_shared<const Rule>(rule));
  const ById replaced = index_of(both.rules);
  for (const auto& rule : others.rules)
    if (!replaced.contains(rule->id)) both.rules.push_back(rule);
  settle_traces(both);
  for (const Rule& rule : rules)
    for (const FileError& error : both.errors)
      if (error.file == rule.place.file) return fail(Errc::Invalid, error.message);
  return {};
}

void settle_traces(RuleSet& set) {
  refuse_sourceless(set);
  const ById places = index_of(set.rules);
  const std::vector<std::uint32_t> depths = find_depths(set.rules, places);
  Rules kept;
  for (std::size_t i = 0; i < set.rules.size(); ++i) {
    const auto& rule = set.rules[i];
    if (!rule->trace || depths[i] == 1) {
      kept.push_back(rule);
    } else if (depths[i] == 0) {
      set.errors.push_back(
          refusal(*rule, "trace.after: traces would follow themselves: " + circle_of(i, set.rules, places, depths)));
    } else if (depths[i] > kMaxTraceDepth) {
      set.errors.push_back(refusal(*rule, "trace.after: " + std::to_string(depths[i]) +
                                              " traces would follow one another; at most " +
                                              std::to_string(kMaxTraceDepth) + " may"));
    } else {
      auto deeper = std::make_shared<Rule>(*rule);
      deeper->trace->depth = depths[i];
      kept.push_back(std::move(deeper));
    }
  }
  set.rules = std::move(kept);
}

}  // namespace de::detect
