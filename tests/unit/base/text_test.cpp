#include "daemoneye/base/text.h"

#include <gtest/gtest.h>

#include <array>

namespace de {
namespace {

struct TextCase {
  const char* why;
  std::string_view in;
  std::string_view json;
  std::string_view terminal;
};

class HostileText : public testing::TestWithParam<TextCase> {};

TEST_P(HostileText, BecomesJson) { EXPECT_EQ(json_string(GetParam().in), GetParam().json) << GetParam().why; }
TEST_P(HostileText, IsSafeOnATerminal) {
  EXPECT_EQ(escape_controls(GetParam().in), GetParam().terminal) << GetParam().why;
}

INSTANTIATE_TEST_SUITE_P(
    Text, HostileText,
    testing::Values(TextCase{"plain", "bash", "\"bash\"", "bash"},
                    TextCase{"quotes", "a\"b\\c", "\"a\\\"b\\\\c\"", "a\"b\\c"},
                    TextCase{"line ends", "a\nb\tc\r", "\"a\\nb\\tc\\r\"", "a\\x0ab\\x09c\\x0d"},
                    TextCase{"terminal escape", "\x1b[31m", "\"\\u001b[31m\"", "\\x1b[31m"},
                    TextCase{"nul byte", std::string_view("a\0b", 3), "\"a\\u0000b\"", "a\\x00b"},
                    TextCase{"valid UTF-8", "gr\xC3\xBCn", "\"gr\xC3\xBCn\"", "gr\xC3\xBCn"},
                    TextCase{"lone continuation byte", "\x80", "\"\xEF\xBF\xBD\"", "\\x80"},
                    TextCase{"overlong slash", "\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"", "\\xc0\\xaf"},
                    TextCase{"surrogate", "\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"",
                             "\\xed\\xa0\\x80"},
                    TextCase{"cut sequence", "\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"", "\\xe2\\x82"},
                    TextCase{"C1 control", "\xC2\x9B", "\"\xC2\x9B\"", "\\x9b"},
                    TextCase{"delete", "\x7f", "\"\\u007f\"", "\\x7f"}));

TEST(Nearest, FindsTheMistypedName) {
  constexpr std::array<std::string_view, 3> names = {"executable_path", "executable_hash", "pid"};
  EXPECT_EQ(nearest("exectuable_path", names), "executable_path");
  EXPECT_EQ(nearest("PID", names), "pid");
  EXPECT_EQ(nearest("pdi", names), "pid");
  EXPECT_EQ(suggestion("pod", names), " (did you mean \"pid\"?)");
}

TEST(Nearest, SaysNothingWhenNothingIsNear) {
  constexpr std::array<std::string_view, 2> names = {"executable_path", "pid"};
  EXPECT_EQ(nearest("temperature", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest(std::string(10000, 'x'), names), "");
}

TEST(JsonNumber, ReadsBackEqualAndHasNoInfinities) {
  std::string out;
  append_json_number(out, 0.1);
  append_json_number(out, 1.0 / 0.0);
  EXPECT_EQ(out, "0.1null");
}

TEST(Hex, IsLowerCase) { EXPECT_EQ(to_hex(std::string_view("\x00\xAB\xff", 3)), "00abff"); }

}  // namespace
}  // namespace de
