// What of a statement's literals can be looked for in texts as the store has them.
#include "mirror/stored_literals.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "daemoneye/schema/event_columns.h"

namespace de::mirror {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Literal literal(std::string_view column, std::string text) {
  const auto columns = schema::event_columns();
  const auto at = std::ranges::find(columns, column, [](const auto& c) { return c.name; });
  EXPECT_NE(at, columns.end()) << column;
  return {static_cast<std::size_t>(at - columns.begin()), std::move(text)};
}

const std::string kBegin(1, kTextBegin), kEnd(1, kTextEnd), kBeyond(1, kBeyondAscii);

TEST(StoredLiterals, AreWithoutTheMarksOfBeginAndEnd) {
  EXPECT_THAT(stored_literals({{literal("name", kBegin + "nmap" + kEnd), literal("executable_path", "/nmap" + kEnd)}}),
              ElementsAre("/nmap", "nmap"));
}

TEST(StoredLiterals, AreWithinOneArgument) {
  EXPECT_THAT(stored_literals({{literal("command_line", " --donate-level 1")}}), ElementsAre("--donate-level"));
  EXPECT_THAT(stored_literals({{literal("command_line", "a b c")}}), IsEmpty());
}

TEST(StoredLiterals, OneThatCannotBeLookedForSpoilsItsGroup) {
  for (const Literal& odd : {literal("argv", "whatever"), literal("event_type", kBegin + "exec" + kEnd),
                             literal("command_line", kBeyond), literal("name", "ab"), literal("ancestry", "nginx"),
                             literal("platform_data", "thing"), literal("user_name", "root")}) {
    EXPECT_THAT(stored_literals({{literal("name", "long-enough"), odd}}), IsEmpty()) << odd.text;
    EXPECT_THAT(stored_literals({{literal("name", "long-enough"), odd}, {literal("cwd", "/var/tmp")}}),
                ElementsAre("/var/tmp"));
  }
}

TEST(StoredLiterals, TheGroupWhoseShortestIsLongest) {
  EXPECT_THAT(stored_literals({{literal("name", "abcdefgh"), literal("name", "xyz")}, {literal("cwd", "/opt")}}),
              ElementsAre("/opt"));
  EXPECT_THAT(stored_literals({}), IsEmpty());
  EXPECT_THAT(stored_literals({{}}), IsEmpty());
}

TEST(StoredLiterals, AreFoundInCapitalsToo) {
  const TextTest test = text_test({"nmap", "/opt/x"});
  EXPECT_TRUE(test(std::string_view("\x0a\x04NMap\x12", 7)));
  EXPECT_TRUE(test("....../OPT/x"));
  EXPECT_TRUE(test(std::string_view("\0\0nmap", 6)));
  EXPECT_FALSE(test("nma"));
  EXPECT_FALSE(test(""));
  EXPECT_FALSE(text_test({}));
}

}  // namespace
}  // namespace de::mirror
