// Our SQL functions: the replacements answer like the built-ins they replace.
#include <gmock/gmock.h>
#include <sqlite3.h>

#include <random>

#include "fixture.h"

namespace de::mirror {
namespace {

struct Case {
  const char* expression;
  const char* expected;
};

TEST(Functions, AnswerAsDocumented) {
  const std::vector<Case> cases = {
      {"trim('  a b  ',' ')", "a b"},
      {"trim('xxaxx','x')", "a"},
      {"ltrim('xyaxy','yx')", "axy"},
      {"rtrim('xyaxy','yx')", "xya"},
      {"trim('aaa','a')", ""},
      {"trim('abc','')", "abc"},
      {"trim('\u00e9a\u00e9','\u00e9')", "a"},
      {"trim(NULL,'a')", "NULL"},
      {"trim('  a  ')", "a"},
      {"instr('abcabc','ca')", "3"},
      {"instr('abc','x')", "0"},
      {"instr('abc','')", "1"},
      {"instr('\u00e9\u00e9x','x')", "3"},
      {"instr(x'c3a978',x'78')", "3"},
      {"instr(NULL,'a')", "NULL"},
      {"instr(12345,34)", "3"},
      {"replace('aXbX','X','yy')", "ayybyy"},
      {"replace('abc','','z')", "abc"},
      {"replace('aaa','aa','b')", "ba"},
      {"replace('abc','b',NULL)", "NULL"},
      {"concat('a',NULL,1,'b')", "a1b"},
      {"split('/usr//bin','/',1)", "bin"},
      {"split('a,b;c',',;',2)", "c"},
      {"split('a,b',',',2)", "NULL"},
      {"split('a,b',',',-1)", "NULL"},
      {"basename('/usr/bin/sh')", "sh"},
      {"basename('/usr/bin/')", "bin"},
      {"basename('sh')", "sh"},
      {"basename('/')", "/"},
      {"basename('')", ""},
      {"basename(NULL)", "NULL"},
      {"dirname('/usr/bin/sh')", "/usr/bin"},
      {"dirname('/sh')", "/"},
      {"dirname('/')", "/"},
      {"dirname('sh')", "."},
      {"dirname('//a//b')", "//a"},
      {"'nginx' REGEXP '^ng'", "1"},
      {"'nginx' REGEXP 'NG'", "0"},
      {"'nginx' REGEXP '(?i)NG'", "1"},
      {"NULL REGEXP 'a'", "NULL"},
      {"regexp('b','abc')", "1"},
      {"regex_match('pid=42 x','pid=([0-9]+)',1)", "42"},
      {"regex_match('pid=42 x','pid=([0-9]+)',0)", "pid=42"},
      {"regex_match('pid=42','pid=([0-9]+)',2)", "NULL"},
      {"regex_match('x','pid=([0-9]+)',0)", "NULL"},
      {"regex_match('ab','(x)?ab',1)", "NULL"},
      {"regex_split('a12b3c','[0-9]+',1)", "b"},
      {"regex_split('a12b3c','[0-9]+',3)", "NULL"},
      {"regex_split(',a','(,)*',0)", "a"},
      {"cidr_match('10.1.2.3','10.0.0.0/8')", "1"},
      {"cidr_match('11.1.2.3','10.0.0.0/8')", "0"},
      {"cidr_match('10.0.0.1','10.0.0.1')", "1"},
      {"cidr_match('10.0.0.1','0.0.0.0/0')", "1"},
      {"cidr_match('fe80::1','fe80::/10')", "1"},
      {"cidr_match('2001:db8::1','fe80::/10')", "0"},
      {"cidr_match('::ffff:10.0.0.1','10.0.0.0/8')", "1"},
      {"cidr_match('fe80::1','10.0.0.0/8')", "0"},
      {"cidr_match('localhost','10.0.0.0/8')", "0"},
      {"cidr_match('','10.0.0.0/8')", "0"},
      {"cidr_match(NULL,'10.0.0.0/8')", "NULL"},
  };
  const auto session = few_session();
  for (const Case& c : cases)
    EXPECT_EQ(ask(*session, std::string("SELECT ") + c.expression).text(), c.expected) << c.expression;
}

// The same expressions through a plain SQLite.
TEST(Functions, ReplacementsAgreeWithTheBuiltIns) {
  const auto session = few_session();  // First: it configures SQLite, which works only before the first connection.
  sqlite3* plain = nullptr;
  ASSERT_EQ(sqlite3_open(":memory:", &plain), SQLITE_OK);
  const std::vector<std::string> words = {"''",    "'a'",     "'ab'", "'aba'", "'\u00e9'",      "'a\u00e9b'",
                                          "x'61'", "x'c3a9'", "NULL", "7",     "'bab\u00e9ab'", "1.5"};
  for (const std::string& x : words)
    for (const std::string& y : words)
      for (const char* name : {"trim", "ltrim", "rtrim", "instr"}) {
        const std::string sql = std::string("SELECT ") + name + "(" + x + "," + y + ")";
        sqlite3_stmt* stmt = nullptr;
        ASSERT_EQ(sqlite3_prepare_v2(plain, sql.c_str(), -1, &stmt, nullptr), SQLITE_OK);
        ASSERT_EQ(sqlite3_step(stmt), SQLITE_ROW);
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(stmt, 0));
        EXPECT_EQ(ask(*session, sql).text(), text == nullptr ? "NULL" : text) << sql;
        sqlite3_finalize(stmt);
      }
  sqlite3_close(plain);
}

// A literal of some characters that mean something in a pattern, are in two cases, or are more than one byte.
std::string made_up_text(std::mt19937& random, std::size_t most) {
  static const std::vector<std::string> kPieces = {"61", "41", "62", "25",   "5f",   "2a",       "3f", "5b",
                                                   "5d", "5e", "2d", "c3a4", "c384", "f09f92a3", "ff", "01"};
  std::string hex;
  for (std::size_t left = random() % (most + 1); left > 0; --left) hex += kPieces[random() % kPieces.size()];
  if (random() % 50 == 0) hex += "0061";
  const char* const kinds[] = {"CAST(x'{}' AS TEXT)", "CAST(x'{}' AS TEXT)", "x'{}'", "NULL", "12"};
  std::string out = kinds[random() % 60 < 56 ? 0 : random() % 5];
  if (const std::size_t at = out.find("{}"); at != std::string::npos) out.replace(at, 2, hex);
  return out;
}

TEST(Functions, LikeAndGlobAgreeWithTheBuiltIns) {
  const auto session = few_session();
  sqlite3* plain = nullptr;
  ASSERT_EQ(sqlite3_open(":memory:", &plain), SQLITE_OK);
  std::mt19937 random(1);
  int matches = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = made_up_text(random, 5), pattern = made_up_text(random, 5);
    const std::string operators[] = {" LIKE ", " GLOB ", " LIKE "};
    std::string sql = "SELECT " + text + operators[i % 3] + pattern;
    if (i % 3 == 2) sql += " ESCAPE " + made_up_text(random, 1);
    sqlite3_stmt* stmt = nullptr;
    ASSERT_EQ(sqlite3_prepare_v2(plain, sql.c_str(), -1, &stmt, nullptr), SQLITE_OK) << sql;
    std::string expected = "NULL";
    if (sqlite3_step(stmt) != SQLITE_ROW)
      expected = std::string("error: ") + sqlite3_errmsg(plain);
    else if (const auto* answer = sqlite3_column_text(stmt, 0); answer != nullptr)
      expected = reinterpret_cast<const char*>(answer);
    EXPECT_EQ(ask(*session, sql).text(), expected) << sql;
    if (expected == "1") ++matches;
    sqlite3_finalize(stmt);
  }
  EXPECT_GT(matches, 500);
  sqlite3_close(plain);
}

}  // namespace
}  // namespace de::mirror
