#include "daemoneye/config/yaml_tree.h"

#include <gmock/gmock.h>

namespace de::config {
namespace {

using testing::HasSubstr;

Node must_parse_yaml(std::string_view text) {
  auto node = parse_yaml("f.yaml", text);
  EXPECT_TRUE(node) << node.error().message();
  return node ? std::move(*node) : Node{};
}

std::string yaml_error_of(std::string_view text) {
  const auto node = parse_yaml("f.yaml", text);
  return node ? "no error" : node.error().message();
}

TEST(YamlTree, KeepsShapeTextAndPlace) {
  const Node root =
      must_parse_yaml("name: web\nlist:\n  - 1\n  - 'two'\nmap: {a: b}\nnone:\ntilde: ~\nblock: |\n  x\n  y\n");
  ASSERT_TRUE(root.is_map());
  EXPECT_EQ(root.entries.size(), 6U);
  EXPECT_EQ(root.find("name")->text, "web");
  EXPECT_EQ(root.find("name")->line, 1);
  EXPECT_EQ(root.find("name")->column, 7);
  const Node* list = root.find("list");
  ASSERT_TRUE(list->is_list());
  EXPECT_EQ(list->items[1].text, "two");
  EXPECT_TRUE(list->items[1].quoted);
  EXPECT_FALSE(list->items[0].quoted);
  EXPECT_EQ(list->items[1].line, 4);
  EXPECT_EQ(root.find("map")->find("a")->text, "b");
  EXPECT_TRUE(root.find("none")->is_null());
  EXPECT_TRUE(root.find("tilde")->is_null());
  EXPECT_EQ(root.find("block")->text, "x\ny\n");
  EXPECT_EQ(root.find("nosuch"), nullptr);
  EXPECT_EQ(at("f.yaml", *list), "f.yaml:3:3");
}

TEST(YamlTree, QuotedNullIsText) {
  EXPECT_TRUE(must_parse_yaml("'null'").is_scalar());
  EXPECT_TRUE(must_parse_yaml("\"\"").is_scalar());
  EXPECT_TRUE(must_parse_yaml("null").is_null());
}

TEST(YamlTree, EmptyAndJsonTextsAreFine) {
  EXPECT_TRUE(must_parse_yaml("").is_null());
  EXPECT_TRUE(must_parse_yaml("# only a comment\n").is_null());
  EXPECT_EQ(must_parse_yaml("{\"a\": [1, {\"b\": null}]}").find("a")->items.size(), 2U);
}

TEST(YamlTree, AliasesAreCopies) {
  const Node root = must_parse_yaml("a: &x {k: v}\nb: *x\n");
  EXPECT_EQ(root.find("b")->find("k")->text, "v");
}

std::string bomb() {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) text += (j == 0 ? "*a" : ", *a") + std::to_string(i - 1);
    text += "]\n";
  }
  return text;
}

std::string repeat(int count, std::string_view what) {
  std::string out;
  for (int i = 0; i < count; ++i) out += what;
  return out;
}

TEST(YamlTree, RefusesWithThePlace) {
  struct BadYaml {
    const char* name;
    std::string text;
    const char* expected;
  };
  const std::vector<BadYaml> cases = {
      {"same key", "a: 1\nb: 2\na: 3\n", "f.yaml:3:1: key \"a\" appears twice"},
      {"same key below", "m:\n  k: 1\n  k: 2\n", "f.yaml:3:3: key \"k\" appears twice"},
      {"alias bomb", bomb(), "more than 100000 values"},
      {"alias to itself", "a: &x [*x]", "f.yaml:1:8: alias to a value that is not complete"},
      {"unknown alias", "a: *nosuch", "f.yaml:1:4: "},
      {"merge key", "a: &x {k: v}\nb:\n  <<: *x\n", "merge keys"},
      {"map as a key", "? {a: b}\n: c\n", "a key must be plain text"},
      {"too deep", repeat(40, "[") + repeat(40, "]"), "nested more than 32 levels"},
      {"absurdly deep flow", repeat(100'000, "["), "f.yaml:1:"},
      {"absurdly deep block", repeat(100'000, "- "), "f.yaml:1:"},
      {"absurdly deep maps", repeat(100'000, "{a: "), "f.yaml:1:"},
      {"many values", "[" + repeat(100'001, "1,") + "]", "more than 100000 values"},
      {"two documents", "a: 1\n---\nb: 2\n", "more than one document"},
      {"unclosed", "a: [1, 2", "f.yaml:"},
      {"tab", "a:\n\t- b: c\n\t d", "f.yaml:"},
      {"unclosed quote", "a: 'x", "f.yaml:"},
      {"NUL", std::string("a: b\0c", 6), "NUL byte"},
  };
  for (const BadYaml& bad : cases) {
    const std::string error = yaml_error_of(bad.text);
    EXPECT_THAT(error, HasSubstr(bad.expected)) << bad.name;
    EXPECT_EQ(error.find("f.yaml"), 0U) << bad.name;
  }
}

TEST(YamlTree, DocumentsShareTheirLimits) {
  const auto documents = parse_yaml_documents("f", "a: 1\n---\n---\nb: 2\n");
  ASSERT_TRUE(documents) << documents.error().message();
  ASSERT_EQ(documents->size(), 3U);
  EXPECT_TRUE((*documents)[1].is_null());
  ASSERT_NE((*documents)[2].find("b"), nullptr);
  EXPECT_EQ((*documents)[2].find("b")->line, 4);
  std::string many;
  for (std::size_t i = 0; i < kMaxYamlDocuments; ++i) many += "---\na: 1\n";
  EXPECT_TRUE(parse_yaml_documents("f", many));
  EXPECT_EQ(parse_yaml_documents("f", many + "---\na: 1\n").error().code(), Errc::TooLarge);
  std::string nodes;
  for (int i = 0; i < 2; ++i) {
    nodes += "---\n- &x [";
    for (int n = 0; n < 1'000; ++n) nodes += "1,";
    nodes += "]\n";
    for (int n = 0; n < 60; ++n) nodes += "- *x\n";
  }
  EXPECT_FALSE(parse_yaml_documents("f", nodes)) << "more than 100,000 in both";
}

TEST(YamlTree, ManyKeysAreNotQuadratic) {
  std::string text;
  for (int i = 0; i < 45'000; ++i) text += "k" + std::to_string(i) + ": v\n";
  EXPECT_EQ(must_parse_yaml(text).entries.size(), 45'000U);
}

TEST(YamlTree, RefusesLargeTexts) {
  const auto node = parse_yaml("f.yaml", std::string(kMaxYamlBytes + 1, '#'));
  ASSERT_FALSE(node);
  EXPECT_EQ(node.error().code(), Errc::TooLarge);
  EXPECT_TRUE(parse_yaml("f.yaml", std::string(kMaxYamlBytes, '#')));
}

TEST(YamlTree, HostileFileNamesAreEscaped) {
  const auto node = parse_yaml("a\x1b[2J.yaml", "a: [");
  ASSERT_FALSE(node);
  EXPECT_EQ(node.error().message().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace de::config
