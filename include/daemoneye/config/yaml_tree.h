// YAML text as a tree with positions. The only place that knows the YAML library; its exceptions stop here.
// Bounded against hostile files: 1 MiB of text, depth 32, 100,000 nodes (an alias counts as all it stands for).
//
// Thread: any (values).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::config {

constexpr std::size_t kMaxYamlBytes = 1UL << 20;
constexpr int kMaxYamlDepth = 32;
constexpr std::size_t kMaxYamlNodes = 100'000;  // Of all documents of a file.
constexpr std::size_t kMaxYamlDocuments = 1'000;

struct Node {
  enum class Kind : std::uint8_t { Null, Scalar, List, Map };

  // Written out in the source file, because a pair of Nodes asks about them before a Node is complete.
  Node();
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;
  ~Node();

  Kind kind = Kind::Null;
  bool quoted = false;  // A scalar in quotes or a block ("|", ">"): "5" is then text, not a number.
  std::string text;     // Of a scalar.
  int line = 0;         // 1-based; 0 for a node that no file contains.
  int column = 0;
  std::vector<Node> items;                     // Of a list.
  std::vector<std::pair<Node, Node>> entries;  // Of a map, in file order; keys are scalars and unique.

  bool is_null() const { return kind == Kind::Null; }
  bool is_scalar() const { return kind == Kind::Scalar; }
  bool is_list() const { return kind == Kind::List; }
  bool is_map() const { return kind == Kind::Map; }
  // The value of `key`, or null when this is no map or has no such key.
  const Node* find(std::string_view key) const;
};

std::string_view to_text(Node::Kind kind);

// "rules/web.yaml:3:7": how every error about a place in a file begins.
std::string at(std::string_view file_name, const Node& node);

// One document; an empty file is a Null node. `file_name` only appears in errors.
Result<Node> parse_yaml(std::string_view file_name, std::string_view text);
// All documents, separated by "---"; at most kMaxYamlDocuments. An empty one is a Null node.
Result<std::vector<Node>> parse_yaml_documents(std::string_view file_name, std::string_view text);

}  // namespace de::config
