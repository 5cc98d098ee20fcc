// What a collector looks for by itself must be what SQLite would have found: the same made-up cases are put to both.
#include "daemoneye/schema/predicate.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemoneye/base/text.h"

namespace de::mirror {
namespace {

using schema::admits;
using schema::Cell;
using schema::SqlType;

constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
constexpr auto kMost = std::numeric_limits<std::int64_t>::max();

// What is odd to compare: wildcards, sets, NUL, and UTF-8 that is whole, cut, overlong or none at all.
const std::vector<std::string> kOddPieces = {"a",
                                             "b",
                                             "A",
                                             "B",
                                             "z",
                                             "Z",
                                             "@",
                                             "`",
                                             "{",
                                             "%",
                                             "_",
                                             "*",
                                             "?",
                                             "[",
                                             "]",
                                             "^",
                                             "-",
                                             "\xc3\xa9",
                                             "\xc3\x89",
                                             "\xc3",
                                             "\xa9",
                                             "\xf0\x9f\x98\x80",
                                             "!",
                                             "[^",
                                             "-]",
                                             "[a",
                                             "%%",
                                             "[]",
                                             "**",
                                             "_%",
                                             "*[",
                                             "\xff",
                                             "\xc1\x81",
                                             "\\",
                                             "/",
                                             " ",
                                             "0",
                                             "9",
                                             "\xef\xbf\xbe",
                                             "\xed\xa0\x80",
                                             "\xfc\x80\x80"};

class PredicateRandom {
 public:
  explicit PredicateRandom(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t limit) { return random_() % limit; }
  std::string text(std::size_t most) {
    std::string out;
    for (std::size_t left = below(most + 1); left > 0; --left) {
      out += kOddPieces[below(kOddPieces.size())];
      if (below(60) == 0) out += '\0';
    }
    return out;
  }
  // Few letters: patterns that begin to match in many places.
  std::string dull(std::size_t most, std::string_view letters) {
    std::string out;
    for (std::size_t left = below(most + 1); left > 0; --left) out += letters[below(letters.size())];
    return out;
  }
  // Some of its bytes made wildcards, left out or turned into the other case.
  std::string like_this(const std::string& text) {
    static constexpr std::array<std::string_view, 6> kInstead{"%", "*", "_", "?", "", "[^x]"};
    std::string out;
    const bool is_glob = below(2) == 0;
    for (const char c : text) {
      const std::size_t choice = below(8);
      if (choice > 2) out += c;
      if (choice == 1) out += kInstead[below(kInstead.size())];
      if (choice == 2) out += is_glob ? "*" : "%";
      if (choice == 0) out += static_cast<char>(c ^ 0x20);
    }
    return out + (below(3) == 0 ? "" : is_glob ? "*" : "%");
  }
  std::int64_t integer() {
    static constexpr std::array<std::int64_t, 9> kEdges{kLeast, kLeast + 1, -1, 0, 1, 1LL << 53, kMost - 1, kMost, 42};
    return below(4) == 0 ? static_cast<std::int64_t>(random_()) : kEdges[below(kEdges.size())];
  }
  double real() {
    static constexpr std::array<double, 10> kEdges{-0.0,  0.0,    1.0,    -1.0,     0.1,
                                                   1e308, -1e308, 5e-324, HUGE_VAL, -HUGE_VAL};
    return below(4) == 0 ? static_cast<double>(static_cast<std::int64_t>(random_())) / 1024 : kEdges[below(10)];
  }

 private:
  std::mt19937_64 random_;
};

// A table of one row whose columns have the types.
class PredicateTable {
 public:
  PredicateTable() {
    EXPECT_EQ(sqlite3_open(":memory:", &db_), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db_, "CREATE TABLE t(i INTEGER, r REAL, s TEXT); INSERT INTO t VALUES(NULL, NULL, NULL)",
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
  }
  ~PredicateTable() {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }
  PredicateTable(const PredicateTable&) = delete;
  PredicateTable& operator=(const PredicateTable&) = delete;

  bool admits(const pb::Predicate& predicate, SqlType type, const Cell& cell) {
    const std::string column = type == SqlType::Integer ? "i" : type == SqlType::Real ? "r" : "s";
    sqlite3_stmt* update = statement("UPDATE t SET " + column + " = ?1");
    bind(update, 1, cell);
    EXPECT_EQ(sqlite3_step(update), SQLITE_DONE);
    sqlite3_reset(update);
    std::string sql = "SELECT count(*) FROM t WHERE " + column + " " + std::string(schema::to_text(predicate.op()));
    if (predicate.op() == pb::PREDICATE_OP_IN) {
      sql += "(?1";
      for (int i = 1; i < predicate.values_size(); ++i) sql += ", ?" + std::to_string(i + 1);
      sql += ")";
    } else {
      sql += " ?1";
    }
    sqlite3_stmt* select = statement(sql);
    for (int i = 0; i < predicate.values_size(); ++i) bind(select, i + 1, cell_of(predicate.values(i)));
    EXPECT_EQ(sqlite3_step(select), SQLITE_ROW) << sqlite3_errmsg(db_);
    const bool out = sqlite3_column_int(select, 0) == 1;
    sqlite3_reset(select);
    return out;
  }

 private:
  static Cell cell_of(const pb::Literal& literal) {
    if (literal.has_int_value()) return std::int64_t{literal.int_value()};
    if (literal.has_float_value()) return literal.float_value();
    if (literal.has_string_value()) return std::string_view(literal.string_value());
    return {};
  }
  static void bind(sqlite3_stmt* to, int at, const Cell& cell) {
    if (const auto* integer = std::get_if<std::int64_t>(&cell)) {
      sqlite3_bind_int64(to, at, *integer);
    } else if (const auto* real = std::get_if<double>(&cell)) {
      sqlite3_bind_double(to, at, *real);
    } else if (const auto* text = std::get_if<std::string_view>(&cell)) {
      sqlite3_bind_text(to, at, text->data(), static_cast<int>(text->size()), SQLITE_TRANSIENT);
    } else {
      sqlite3_bind_null(to, at);
    }
  }
  sqlite3_stmt* statement(const std::string& sql) {
    for (auto& [known, prepared] : statements_)
      if (known == sql) return prepared;
    sqlite3_stmt* prepared = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db_, sql.c_str(), -1, &prepared, nullptr), SQLITE_OK) << sql;
    statements_.emplace_back(sql, prepared);
    return prepared;
  }

  sqlite3* db_ = nullptr;
  std::vector<std::pair<std::string, sqlite3_stmt*>> statements_;
};

pb::Predicate predicate_of(pb::PredicateOp op) {
  pb::Predicate out;
  out.set_op(op);
  return out;
}

bool text_admitted(pb::PredicateOp op, std::string_view literal, std::string_view text) {
  pb::Predicate predicate = predicate_of(op);
  predicate.add_values()->set_string_value(std::string(literal));
  EXPECT_TRUE(check(predicate, SqlType::Text));
  return admits(predicate, text);
}

TEST(PredicateAgainstSqlite, PatternsMatchWhatSqliteMatches) {
  PredicateRandom random(7);
  int matched = 0;
  for (int i = 0; i < 200'000 && !testing::Test::HasFailure(); ++i) {
    const bool is_dull = i % 2 == 0;
    std::string pattern = is_dull ? random.dull(12, "ab%_*?") : random.text(8);
    const std::string text = is_dull ? random.dull(16, "abAB") : random.text(8);
    if (i % 3 == 0) pattern = random.like_this(text);
    const bool like = text_admitted(pb::PREDICATE_OP_LIKE, pattern, text);
    const bool glob = text_admitted(pb::PREDICATE_OP_GLOB, pattern, text);
    matched += like || glob;
    EXPECT_EQ(like, sqlite3_strlike(pattern.c_str(), text.c_str(), 0) == 0) << to_hex(pattern) << " " << to_hex(text);
    EXPECT_EQ(glob, sqlite3_strglob(pattern.c_str(), text.c_str()) == 0) << to_hex(pattern) << " " << to_hex(text);
  }
  EXPECT_GT(matched, 20'000) << "most of the cases say nothing";
}

TEST(PredicateAgainstSqlite, SetsMatchWhatSqliteMatches) {
  PredicateRandom random(11);
  int matched = 0;
  for (int i = 0; i < 100'000 && !testing::Test::HasFailure(); ++i) {
    std::string pattern = random.dull(2, "a*?");
    for (std::size_t sets = 1 + random.below(2); sets > 0; --sets)
      pattern += "[" + random.dull(6, "^]-abc[") + (random.below(8) == 0 ? "" : "]") + random.dull(2, "a*?");
    const std::string text = random.dull(5, "abc]-^[\xc3\xa9");
    const bool glob = text_admitted(pb::PREDICATE_OP_GLOB, pattern, text);
    matched += glob;
    EXPECT_EQ(glob, sqlite3_strglob(pattern.c_str(), text.c_str()) == 0) << pattern << " " << to_hex(text);
  }
  EXPECT_GT(matched, 2'000);
}

TEST(PredicateAgainstSqlite, ColumnsCompareAsInATable) {
  static constexpr std::array<pb::PredicateOp, 9> kOps{
      pb::PREDICATE_OP_EQ, pb::PREDICATE_OP_NE, pb::PREDICATE_OP_LT,   pb::PREDICATE_OP_LE,  pb::PREDICATE_OP_GT,
      pb::PREDICATE_OP_GE, pb::PREDICATE_OP_IN, pb::PREDICATE_OP_LIKE, pb::PREDICATE_OP_GLOB};
  PredicateRandom random(13);
  PredicateTable table;
  int admitted = 0;
  for (int i = 0; i < 30'000 && !testing::Test::HasFailure(); ++i) {
    const SqlType type = std::array{SqlType::Integer, SqlType::Real, SqlType::Text}[random.below(3)];
    pb::Predicate predicate = predicate_of(kOps[random.below(type == SqlType::Text ? 9 : 7)]);
    const std::size_t values = predicate.op() == pb::PREDICATE_OP_IN ? 1 + random.below(4) : 1;
    for (std::size_t n = 0; n < values; ++n) {
      pb::Literal& literal = *predicate.add_values();
      if (type == SqlType::Integer) literal.set_int_value(random.integer());
      if (type == SqlType::Real) literal.set_float_value(random.real());
      if (type == SqlType::Text) literal.set_string_value(random.text(2));
    }
    ASSERT_TRUE(check(predicate, type));
    std::string text = random.text(2);
    if (random.below(3) == 0) text = predicate.values(0).string_value();
    Cell cell;  // NULL, now and then.
    if (random.below(10) != 0) {
      if (type == SqlType::Integer) cell = random.integer();
      if (type == SqlType::Real) cell = random.real();
      if (type == SqlType::Text) cell = std::string_view(text);
    }
    const bool here = admits(predicate, cell);
    admitted += here;
    EXPECT_EQ(here, table.admits(predicate, type, cell)) << predicate.ShortDebugString() << " of " << to_hex(text);
  }
  EXPECT_GT(admitted, 5'000);
}

// By hand, where it is easy to be wrong; what is expected is asked of SQLite as well.
TEST(PredicateAgainstSqlite, KnownPatterns) {
  using std::string_view_literals::operator""sv;
  struct Known {
    pb::PredicateOp op;
    std::string_view pattern, text;
    bool expected;
  };
  const auto like = pb::PREDICATE_OP_LIKE, glob = pb::PREDICATE_OP_GLOB;
  const std::vector<Known> vectors = {
      {like, "", "", true},
      {like, "", "a", false},
      {like, "%", "", true},
      {like, "_", "", false},
      {like, "ABC", "abc", true},
      {like, "\u00c9", "\u00e9", false},
      {like, "_", "\u00e9", true},
      {like, "_", "\xff", true},
      {like, "_", "\xc3", true},
      {like, "__", "\xa9\xa9", true},
      {like, "\ufffd", "\xed\xa0\x80", true},
      {like, "a%b", "a\0b"sv, false},
      {like, "a", "a\0b"sv, true},
      {like, "a\0%"sv, "a", true},
      {like, "[a]", "a", false},
      {like, "100%", "100 percent", true},
      {glob, "ABC", "abc", false},
      {glob, "*", "", true},
      {glob, "?", "\u00e9", true},
      {glob, "*a*a*b", "aaaaaab", true},
      {glob, "[a-c]x", "bx", true},
      {glob, "[^a-c]x", "bx", false},
      {glob, "[]]", "]", true},
      {glob, "[^]]", "]", false},
      {glob, "[a-]", "-", true},
      {glob, "[-a]", "-", true},
      {glob, "[c-a]", "b", false},
      {glob, "[abc", "a", false},
      {glob, "*[abc", "a", false},
      {glob, "*[b]", "ab", true},
      {glob, "[", "[", false},
      {glob, "[]", "]", false},
      {glob, "[a\0]"sv, "a", false},
      {glob, "[\u00e0-\u00ff]", "\u00e9", true},
      {glob, "/tmp/*", "/tmp/x\0y"sv, true},
  };
  for (const Known& known : vectors) {
    const std::string pattern(known.pattern), text(known.text);
    const int of_sqlite = known.op == like ? sqlite3_strlike(pattern.c_str(), text.c_str(), 0)
                                           : sqlite3_strglob(pattern.c_str(), text.c_str());
    EXPECT_EQ(of_sqlite == 0, known.expected) << pattern << " " << text;
    EXPECT_EQ(text_admitted(known.op, known.pattern, known.text), known.expected) << pattern << " " << text;
  }
}

// What is the worst there is: everything matches but the end.
TEST(PredicateAgainstSqlite, ALongTextTakesAMoment) {
  const std::string text(64UL * 1024, 'a');
  const std::string pattern = "*" + std::string(250, 'a') + "b";
  EXPECT_FALSE(text_admitted(pb::PREDICATE_OP_GLOB, pattern, text));
  EXPECT_FALSE(text_admitted(pb::PREDICATE_OP_GLOB, "*a*a*a*a*a*a*a*a*a*a*b", text));
}

}  // namespace
}  // namespace de::mirror
