#include <algorithm>

#include "detect/rule_reader.h"

namespace de::detect {
namespace {

using config::Node;

constexpr int kMaxHeaderLines = 200;

std::string_view strip(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Node scalar(std::string_view text, int line, int column) {
  Node node;
  node.kind = Node::Kind::Scalar;
  node.text = std::string(text);
  node.line = line;
  node.column = column;
  return node;
}

Node comma_list(const Node& from) {
  Node list = scalar({}, from.line, from.column);
  list.kind = Node::Kind::List;
  std::string_view rest = from.text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (const std::string_view item = strip(rest.substr(0, comma)); !item.empty())
      list.items.push_back(scalar(item, from.line, from.column));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return list;
}

// "key" of "key: value", or nothing when the line is prose.
std::string_view key_of(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  const std::string_view key = line.substr(0, colon);
  const bool is_word = std::all_of(key.begin(), key.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  const bool is_value = colon + 1 == line.size() || line[colon + 1] == ' ' || line[colon + 1] == '\r';
  return is_word && is_value ? key : std::string_view{};
}

// Flat header keys become what YAML nests.
void shape(Node& rule) {
  Node dedup = scalar({}, 0, 0);
  dedup.kind = Node::Kind::Map;
  std::vector<std::pair<Node, Node>> entries;
  for (auto& [key, value] : rule.entries) {
    if (key.text == "tags") {
      entries.emplace_back(key, comma_list(value));
    } else if (key.text == "dedup" || key.text == "dedup_seconds") {
      dedup.line = key.line;
      dedup.column = key.column;
      const bool keys = key.text == "dedup";
      dedup.entries.emplace_back(scalar(keys ? "keys" : "seconds", key.line, key.column),
                                 keys ? comma_list(value) : value);
    } else {
      entries.emplace_back(key, value);
    }
  }
  if (!dedup.entries.empty()) entries.emplace_back(scalar("dedup", dedup.line, dedup.column), dedup);
  rule.entries = std::move(entries);
}

// The file's name without directory and ending: the id when the header gives none.
std::string_view stem(std::string_view file) {
  file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0.
  return file.substr(0, file.rfind('.'));
}

}  // namespace

Result<Node> read_sql_header(std::string_view file, std::string_view text) {
  Node rule = scalar({}, 1, 1);
  rule.kind = Node::Kind::Map;
  std::string_view rest = text;
  bool continues = false;
  for (int line = 1; line <= kMaxHeaderLines && !rest.empty(); ++line) {
    const std::string_view whole = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(whole.size() + 1, rest.size()));
    if (!whole.starts_with("--")) {
      if (!strip(whole).empty()) break;
      continues = false;
      continue;
    }
    std::string_view comment = whole.substr(2);
    const bool indented = comment.starts_with("   ");
    const int column = static_cast<int>(
        comment.find_first_not_of(' ') == std::string_view::npos ? 3 : comment.find_first_not_of(' ') + 3);
    comment = strip(comment);
    if (continues && indented && !comment.empty()) {
      std::string& value = rule.entries.back().second.text;
      value += (value.empty() ? "" : " ") + std::string(comment);
      continue;
    }
    const std::string_view key = indented ? std::string_view{} : key_of(comment);
    continues = !key.empty();
    if (key.empty()) continue;
    if (rule.find(key) != nullptr)
      return fail(complaint(file, scalar({}, line, column), "key \"" + std::string(key) + "\" appears twice"));
    rule.entries.emplace_back(scalar(key, line, column), scalar(strip(comment.substr(key.size() + 1)), line, column));
  }
  for (const std::string_view key : {"sql", "tests", "requires"})
    if (const Node* value = rule.find(key))
      return fail(complaint(file, *value, "a .sql file cannot have \"" + std::string(key) + "\"; use YAML"));
  shape(rule);
  if (rule.find("id") == nullptr) rule.entries.emplace_back(scalar("id", 1, 1), scalar(stem(file), 1, 1));
  rule.entries.emplace_back(scalar("sql", 1, 1), scalar(text, 1, 1));
  return rule;
}

}  // namespace de::detect
