#include "render/cell.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace de::render {
namespace {

pb::Value text(std::string_view bytes) {
  pb::Value value;
  value.set_text(std::string(bytes));
  return value;
}
pb::Value integer(std::int64_t number) {
  pb::Value value;
  value.set_integer(number);
  return value;
}
pb::Value real(double number) {
  pb::Value value;
  value.set_real(number);
  return value;
}
pb::Value blob(std::string_view bytes) {
  pb::Value value;
  value.set_blob(std::string(bytes));
  return value;
}
std::string json(const pb::Value& value) {
  std::string out;
  append_json(out, value);
  return out;
}
std::string csv(const pb::Value& value) {
  std::string out;
  append_csv(out, value);
  return out;
}

struct Case {
  const char* name;
  pb::Value value;
  std::string_view plain;
  std::string_view json;
  std::string_view csv;
};

class Cells : public testing::TestWithParam<Case> {};

TEST_P(Cells, InEveryFormat) {
  const Case& c = GetParam();
  EXPECT_EQ(plain(c.value), c.plain);
  EXPECT_EQ(json(c.value), c.json);
  EXPECT_EQ(csv(c.value), c.csv);
}

INSTANTIATE_TEST_SUITE_P(
    Values, Cells,
    testing::Values(Case{"null", {}, "NULL", "null", ""}, Case{"empty text", text(""), "", "\"\"", "\"\""},
                    Case{"integer", integer(-7), "-7", "-7", "-7"},
                    Case{"smallest", integer(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808",
                         "-9223372036854775808", "-9223372036854775808"},
                    Case{"real", real(0.1), "0.1", "0.1", "0.1"},
                    Case{"not a number", real(std::nan("")), "NaN", "null", "NaN"},
                    Case{"infinite", real(-HUGE_VAL), "-Infinity", "null", "-Infinity"},
                    Case{"blob", blob(std::string_view("\x00\xff", 2)), "x'00ff'", "\"00ff\"", "00ff"},
                    Case{"comma and quote", text("a,\"b\""), "a,\"b\"", "\"a,\\\"b\\\"\"", "\"a,\"\"b\"\"\""},
                    Case{"outer spaces", text(" a "), " a ", "\" a \"", "\" a \""},
                    Case{"formula is data", text("=1+1"), "=1+1", "\"=1+1\"", "=1+1"},
                    Case{"escape sequence", text("\x1b[2J"), "\\x1b[2J", "\"\\u001b[2J\"", "\\x1b[2J"},
                    Case{"line break", text("a\r\nb"), "a\\x0d\\x0ab", "\"a\\r\\nb\"", "a\\x0d\\x0ab"},
                    Case{"NUL", text(std::string_view("a\0b", 3)), "a\\x00b", "\"a\\u0000b\"", "a\\x00b"},
                    Case{"C1 control", text("\xC2\x9B"), "\\x9b", "\"\\u009b\"", "\\x9b"},
                    Case{"not UTF-8", text("a\xffz"), "a\\xffz", "\"a\xEF\xBF\xBDz\"", "a\\xffz"},
                    Case{"right to left override", text("exe.\xE2\x80\xAEgpj"), "exe.\\u202egpj", "\"exe.\\u202egpj\"",
                         "exe.\\u202egpj"},
                    Case{"zero width space",
                         text("su\xE2\x80\x8B"
                              "do"),
                         "su\\u200bdo", "\"su\\u200bdo\"", "su\\u200bdo"},
                    Case{"line separator", text("\xE2\x80\xA8"), "\\u2028", "\"\\u2028\"", "\\u2028"},
                    Case{"other scripts stay", text("\xE6\xBC\xA2\xC3\xA9"), "\xE6\xBC\xA2\xC3\xA9",
                         "\"\xE6\xBC\xA2\xC3\xA9\"", "\xE6\xBC\xA2\xC3\xA9"}));

TEST(Markdown, MarkupIsEscaped) {
  EXPECT_EQ(markdown("a|b"), "a\\|b");
  EXPECT_EQ(markdown("<img src=x>"), "\\<img src=x\\>");
  EXPECT_EQ(markdown("[x](javascript:1) `c` &lt;"), "\\[x\\](javascript:1) \\`c\\` \\&lt;");
}

TEST(Width, CountsWhatATerminalShows) {
  EXPECT_EQ(columns_of(""), 0u);
  EXPECT_EQ(columns_of("abc"), 3u);
  EXPECT_EQ(columns_of("\xC3\xA9"), 1u);
  EXPECT_EQ(columns_of("e\xCC\x81"), 1u);                 // Combining accent.
  EXPECT_EQ(columns_of("\xE6\xBC\xA2\xE5\xAD\x97"), 4u);  // Two wide characters.
}

TEST(Width, FitNeverCutsACharacter) {
  EXPECT_EQ(fit("abcdef", 3), "abc");
  EXPECT_EQ(fit("\xE6\xBC\xA2\xE5\xAD\x97", 3), "\xE6\xBC\xA2");
  EXPECT_EQ(fit("a\xC3\xA9", 1), "a");
  EXPECT_EQ(fit("ab", 10), "ab");
}

}  // namespace
}  // namespace de::render
