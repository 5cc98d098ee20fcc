// TOML files. What parses keeps the bounds, has a place for everything, and is the same tree when it is written as
// YAML.
#include <cstddef>
#include <string>
#include <string_view>

#include "daemoneye/base/text.h"
#include "daemoneye/config/toml_tree.h"

namespace {

using de::config::Node;

void write(std::string& out, const Node& node) {
  if (node.is_scalar()) {
    out += node.quoted ? de::json_string(node.text) : node.text;
    return;
  }
  out += node.is_list() ? "[" : "{";
  for (const Node& item : node.items) {
    write(out, item);
    out += ", ";
  }
  for (const auto& [key, value] : node.entries) {
    out += de::json_string(key.text) + ": ";
    write(out, value);
    out += ", ";
  }
  out += node.is_list() ? "]" : "}";
}

std::size_t check(const Node& node, int depth) {
  if (node.is_null() || depth > de::config::kMaxYamlDepth) __builtin_trap();
  std::size_t nodes = 1;
  for (const Node& item : node.items) nodes += check(item, depth + 1);
  for (const auto& [key, value] : node.entries) {
    if (key.line < 1 || key.column < 1) __builtin_trap();
    nodes += 1 + check(value, depth + 1);
  }
  return nodes;
}

bool is_same(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.text != b.text || a.quoted != b.quoted || a.items.size() != b.items.size() ||
      a.entries.size() != b.entries.size())
    return false;
  for (std::size_t i = 0; i < a.items.size(); ++i)
    if (!is_same(a.items[i], b.items[i])) return false;
  for (std::size_t i = 0; i < a.entries.size(); ++i)
    if (a.entries[i].first.text != b.entries[i].first.text || !is_same(a.entries[i].second, b.entries[i].second))
      return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace de::config;
  const auto tree = parse_toml("fuzz.toml", std::string_view(reinterpret_cast<const char*>(data), size));
  if (!tree) {
    if (!tree.error().message().starts_with("fuzz.toml:")) __builtin_trap();
    return 0;
  }
  if (!tree->is_map() || check(*tree, 0) > kMaxYamlNodes) __builtin_trap();
  std::string yaml;
  write(yaml, *tree);
  if (yaml.size() > kMaxYamlBytes) return 0;
  const auto again = parse_yaml("fuzz.yaml", yaml);
  if (!again || !is_same(*tree, *again)) __builtin_trap();
  return 0;
}
