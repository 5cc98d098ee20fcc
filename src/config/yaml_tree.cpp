#include "daemoneye/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <exception>
#include <istream>
#include <map>
#include <optional>
#include <streambuf>
#include <unordered_set>

#include "daemoneye/base/text.h"

namespace de::config {
namespace {

// Thrown out of the library's callbacks and caught in this file: it offers no other way to stop.
struct YamlRefused {
  YAML::Mark mark;
  std::string why;
};

// Read-only view of the text as a stream, without a copy.
class TextBuffer : public std::streambuf {
 public:
  explicit TextBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // std::streambuf asks for it; the get area is never written.
    setg(begin, begin, begin + text.size());
  }
};

// Builds the tree from the library's events. Its own loader would resolve aliases as shared nodes, without a bound
// and without an end when they are followed.
class YamlBuilder : public YAML::EventHandler {
 public:
  // `nodes` there were in the documents before.
  explicit YamlBuilder(std::size_t nodes = 0) : nodes_(nodes) {}

  Node take_root() { return std::move(root_); }
  std::size_t nodes() const { return nodes_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(mark, Node::Kind::Null, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    // Also an alias inside the node it names: that one is not finished yet.
    if (found == anchors_.end()) throw YamlRefused{mark, "alias to a value that is not complete"};
    charge(mark, found->second.nodes);
    Node copy = found->second.node;
    if (open_.size() + found->second.depth > static_cast<std::size_t>(kMaxYamlDepth)) too_deep(mark);
    place(std::move(copy), mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = make(mark, Node::Kind::Scalar);
    node.quoted = tag == "!";
    node.text = value;
    charge(mark, 1);
    if (!node.quoted && (value == "null" || value == "Null" || value == "NULL" || value == "~" || value.empty()))
      node.kind = Node::Kind::Null;
    finish(std::move(node), mark, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(mark, Node::Kind::List, anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(mark, Node::Kind::Map, anchor);
  }
  void OnMapEnd() override { end(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    YAML::Mark mark;
    std::optional<Node> key;  // Of a map: waiting for its value.
    std::unordered_set<std::string> keys;
  };
  struct Anchored {
    Node node;
    std::size_t nodes;
    std::size_t depth;
  };

  static Node make(const YAML::Mark& mark, Node::Kind kind) {
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }
  static void too_deep(const YAML::Mark& mark) {
    throw YamlRefused{mark, "nested more than " + std::to_string(kMaxYamlDepth) + " levels deep"};
  }
  static std::size_t count(const Node& node) {
    std::size_t nodes = 1;
    for (const Node& item : node.items) nodes += count(item);
    for (const auto& [key, value] : node.entries) nodes += count(key) + count(value);
    return nodes;
  }
  static std::size_t depth_of(const Node& node) {
    std::size_t below = 0;
    for (const Node& item : node.items) below = std::max(below, depth_of(item));
    for (const auto& [key, value] : node.entries) below = std::max(below, depth_of(value));
    return below + (node.is_list() || node.is_map() ? 1 : 0);
  }

  void charge(const YAML::Mark& mark, std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > kMaxYamlNodes) throw YamlRefused{mark, "more than " + std::to_string(kMaxYamlNodes) + " values"};
  }
  void add(const YAML::Mark& mark, Node::Kind kind, YAML::anchor_t anchor) {
    charge(mark, 1);
    finish(make(mark, kind), mark, anchor);
  }
  void start(const YAML::Mark& mark, Node::Kind kind, YAML::anchor_t anchor) {
    charge(mark, 1);
    if (open_.size() >= static_cast<std::size_t>(kMaxYamlDepth)) too_deep(mark);
    open_.push_back({make(mark, kind), anchor, mark, std::nullopt, {}});
  }
  void end() {
    Open done = std::move(open_.back());
    open_.pop_back();
    finish(std::move(done.node), done.mark, done.anchor);
  }
  void finish(Node node, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) {
      const std::size_t nodes = count(node);
      charge(mark, nodes);  // The kept copy costs memory too.
      anchors_[anchor] = {node, nodes, depth_of(node)};
    }
    place(std::move(node), mark);
  }
  // Hangs a finished node into what is open.
  void place(Node node, const YAML::Mark& mark) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.is_list()) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    if (parent.key) {
      parent.node.entries.emplace_back(std::move(*parent.key), std::move(node));
      parent.key.reset();
      return;
    }
    if (!node.is_scalar()) throw YamlRefused{mark, "a key must be plain text"};
    if (node.text == "<<" && !node.quoted) throw YamlRefused{mark, "merge keys (<<) are not supported"};
    if (!parent.keys.insert(node.text).second)
      throw YamlRefused{mark, "key \"" + escape_controls(node.text) + "\" appears twice"};
    parent.key = std::move(node);
  }

  Node root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_;
};

std::string where(std::string_view file_name, const YAML::Mark& mark) {
  std::string out = escape_controls(file_name);
  if (mark.line >= 0) out += ':' + std::to_string(mark.line + 1) + ':' + std::to_string(mark.column + 1);
  return out + ": ";
}

}  // namespace

Node::Node() = default;
Node::Node(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(const Node&) = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

const Node* Node::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (name.text == key) return &value;
  return nullptr;
}

std::string_view to_text(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::Null:
      return "nothing";
    case Node::Kind::Scalar:
      return "a value";
    case Node::Kind::List:
      return "a list";
    case Node::Kind::Map:
      return "a map";
  }
  return "nothing";
}

std::string at(std::string_view file_name, const Node& node) {
  std::string out = escape_controls(file_name);
  if (node.line > 0) out += ':' + std::to_string(node.line) + ':' + std::to_string(node.column);
  return out;
}

Result<std::vector<Node>> parse_yaml_documents(std::string_view file_name, std::string_view text) {
  const std::string file = escape_controls(file_name);
  if (text.size() > kMaxYamlBytes)
    return fail(Errc::TooLarge, file + ": larger than " + std::to_string(kMaxYamlBytes >> 10) + " KiB");
  if (text.find('\0') != std::string_view::npos) return fail(Errc::Invalid, file + ": contains a NUL byte");
  try {
    TextBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    std::vector<Node> out;
    for (std::size_t nodes = 0; out.size() <= kMaxYamlDocuments;) {
      YamlBuilder builder(nodes);
      if (!parser.HandleNextDocument(builder)) return out;
      nodes = builder.nodes();
      out.push_back(builder.take_root());
    }
    return fail(Errc::TooLarge, file + ": more than " + std::to_string(kMaxYamlDocuments) + " documents");
  } catch (const YamlRefused& refused) {
    return fail(Errc::Invalid, where(file_name, refused.mark) + refused.why);
  } catch (const YAML::Exception& e) {
    return fail(Errc::Invalid, where(file_name, e.mark) + e.msg);
  } catch (const std::exception& e) {
    return fail(Errc::Invalid, file + ": " + e.what());
  }
}

Result<Node> parse_yaml(std::string_view file_name, std::string_view text) {
  DE_TRY(documents, parse_yaml_documents(file_name, text));
  if (documents.size() > 1) return fail(Errc::Invalid, escape_controls(file_name) + ": more than one document");
  return documents.empty() ? Node{} : std::move(documents.front());
}

}  // namespace de::config
