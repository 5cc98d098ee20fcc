#include "daemoneye/config/toml_tree.h"

#include <gmock/gmock.h>

#include <string>

namespace de::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Node must_parse_toml(std::string_view text) {
  auto node = parse_toml("f.toml", text);
  EXPECT_TRUE(node) << node.error().message();
  return node ? std::move(*node) : Node{};
}

std::string toml_error_of(std::string_view text) {
  const auto node = parse_toml("f.toml", text);
  return node ? "no error" : node.error().message();
}

std::string repeated(std::string_view part, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += part;
  return out;
}

TEST(TomlTree, KeepsShapeTextAndPlace) {
  const Node root = must_parse_toml("z = 0x10\nname = 'web'\nlist = [1, \"2\"]\nyes = true\n\n[map]\na.b = -7\n");
  ASSERT_TRUE(root.is_map());
  ASSERT_EQ(root.entries.size(), 5U);
  EXPECT_EQ(root.entries[0].first.text, "z") << "in the order of the file";
  EXPECT_EQ(root.find("z")->text, "16");
  EXPECT_FALSE(root.find("z")->quoted);
  EXPECT_EQ(root.find("name")->text, "web");
  EXPECT_TRUE(root.find("name")->quoted);
  EXPECT_EQ(root.find("name")->line, 2);
  EXPECT_EQ(root.find("name")->column, 8);
  EXPECT_TRUE(root.find("list")->is_list());
  EXPECT_EQ(root.find("list")->items[1].text, "2");
  EXPECT_EQ(root.find("yes")->text, "true");
  EXPECT_EQ(root.find("map")->find("a")->find("b")->text, "-7");
  EXPECT_EQ(at("f.toml", root.entries[4].first), "f.toml:6:2");
}

TEST(TomlTree, EmptyTextIsAnEmptyMap) {
  EXPECT_TRUE(must_parse_toml("").is_map());
  EXPECT_TRUE(must_parse_toml("# only a comment").entries.empty());
}

TEST(TomlTree, ArraysOfTablesAreLists) {
  const Node root = must_parse_toml("[[sinks]]\nname = \"a\"\n[[sinks]]\nname = \"b\"\n");
  ASSERT_EQ(root.find("sinks")->items.size(), 2U);
  EXPECT_EQ(root.find("sinks")->items[1].find("name")->text, "b");
}

TEST(TomlTree, MistakesAreToldWithTheirPlace) {
  EXPECT_THAT(toml_error_of("a = 1\nb = \n"), StartsWith("f.toml:2:"));
  EXPECT_THAT(toml_error_of("a = 1\na = 2\n"), StartsWith("f.toml:2:"));
  EXPECT_THAT(toml_error_of("\na = 1.5\n"), StartsWith("f.toml:2: a number with a fraction"));
  EXPECT_THAT(toml_error_of("a = 2026-11-22\n"), StartsWith("f.toml:1: a date or time"));
  EXPECT_THAT(toml_error_of("a = 2026-11-22\nb = 1.5\n"), StartsWith("f.toml:1: a date")) << "the first of them";
  EXPECT_THAT(toml_error_of("a = '\xff'\n"), StartsWith("f.toml:1:"));
  EXPECT_THAT(toml_error_of(std::string("a = 1\0", 6)), HasSubstr("NUL"));
}

// The library asserts what is not so, and would end the program.
TEST(TomlTree, WhatTheLibraryDoesNotExpectIsAMistakeLikeOthers) {
  EXPECT_THAT(toml_error_of("[[[a = \"\"\"\\\n"), StartsWith("f.toml: is no TOML that can be understood"));
  EXPECT_THAT(toml_error_of("[[[a]]]\n"), StartsWith("f.toml: is no TOML"));
}

TEST(TomlTree, LettersOfTheWorldStandInQuotes) {
  EXPECT_EQ(must_parse_toml("\xEF\xBB\xBF\"\xC3\xA9\" = '\xC3\xA9' # \xC3\xA9\n").entries[0].first.text, "\xC3\xA9");
  EXPECT_THAT(toml_error_of("a = 1\nx\xCD\x86.d = 1\n"), StartsWith("f.toml:2:"));
  EXPECT_EQ(must_parse_toml("a = \"\"\"x\\\n  \xC3\xA9\"\"\"\n").find("a")->text, "x\xC3\xA9");
}

TEST(TomlTree, DepthIsBounded) {
  EXPECT_THAT(must_parse_toml("a = " + std::string(31, '[') + std::string(31, ']')).find("a")->items.size(), 1U);
  EXPECT_THAT(toml_error_of("a = " + std::string(40, '[') + std::string(40, ']')), StartsWith("f.toml:1:"));
  EXPECT_THAT(toml_error_of("a = " + std::string(100'000, '[')), StartsWith("f.toml:1:"));
  // Each part of a key is a level, too; the library would go down as far as the file is long.
  EXPECT_THAT(toml_error_of("x = 1\n" + repeated("a.", 200'000) + "a = 1\n"),
              HasSubstr("f.toml:2: nested more than 32"));
  EXPECT_THAT(toml_error_of("[" + repeated("a . ", 200'000) + "a]\n"), HasSubstr("nested more than 32"));
  EXPECT_THAT(toml_error_of("[" + repeated("a.", 20) + "a]\n" + repeated("b.", 20) + "b = 1\n"),
              HasSubstr("nested more than 32"));
  EXPECT_THAT(toml_error_of(repeated("\"a\".", 200'000) + "a = 1\n"), HasSubstr("nested more than 32"));
  // Behind texts whose end is easily missed: a backslash means nothing between single quotes.
  EXPECT_THAT(toml_error_of("x = '''\\'''\n" + repeated("a.", 200'000) + "a = 1\n"),
              HasSubstr("f.toml:2: nested more than"));
  EXPECT_THAT(toml_error_of("x = \"\"\"a\nb\\\nc\\\"\"\"\"\"\n" + repeated("a.", 200'000) + "a = 1\n"),
              HasSubstr("f.toml:4: nested more than"));
  EXPECT_THAT(toml_error_of("x = {a = \"\"\"b\"\"\"\"\", " + repeated("a.", 200'000) + "a = 1}\n"),
              HasSubstr("f.toml:1: nested more than"));
}

TEST(TomlTree, DotsInTextAndCommentsAreNoLevels) {
  const std::string dots(100, '.');
  const std::string text = "# " + dots + "\na = \"" + dots + "\\\"" + dots + "\" # " + dots + "\nb = '" + dots +
                           "'\nc = '''" + dots + "\n'" + dots + "'''\nd = \"\"\"" + dots + "\\\n " + dots +
                           "\"\"\"\"\"\n";
  EXPECT_EQ(must_parse_toml(text).entries.size(), 4U);
}

TEST(TomlTree, SizeIsBounded) {
  EXPECT_THAT(toml_error_of("#" + std::string(1UL << 20, 'x')), HasSubstr("larger than 1024 KiB"));
  EXPECT_THAT(toml_error_of("a = [" + repeated("1,", 150'000) + "]\n"), HasSubstr("more than 100000 values"));
}

}  // namespace
}  // namespace de::config
