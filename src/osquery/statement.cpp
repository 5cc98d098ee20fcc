#include "daemoneye/osquery/statement.h"

#include <algorithm>
#include <iterator>
#include <optional>

namespace de::osquery {
namespace {

// Behind these a table is named no more, until the next FROM or JOIN.
constexpr std::string_view kEndsFrom[] = {"except", "group", "having", "intersect", "limit", "order",
                                          "select", "union", "values", "where",     "window"};
constexpr std::string_view kCombines[] = {"except", "exists", "group",     "having", "intersect",
                                          "limit",  "over",   "recursive", "union"};
constexpr std::string_view kAggregates[] = {
    "avg", "count", "group_concat", "json_group_array", "json_group_object", "max", "min", "sum", "total"};

template <class List>
bool is_one_of(const List& list, std::string_view word) {
  return std::ranges::find(list, word) != std::end(list);
}

// One level of parentheses.
struct Level {
  bool in_from = false;
  bool expects_table = false;
};

class Look {
 public:
  explicit Look(Named& out) : out_(out), tokens_(out.tokens) {}

  void run() {
    find_own_tables();
    for (std::size_t i = 0; i < tokens_.size();) i = step(i);
    std::erase_if(out_.tables,
                  [this](const TableUse& use) { return !use.has_schema && out_.own_tables.contains(use.name); });
    std::size_t selects = 0;
    for (const Token& token : tokens_) {
      selects += token.is("select") ? 1U : 0U;
      if (token.kind == TokenKind::Word && is_one_of(kCombines, token.text)) out_.combines_rows = true;
    }
    for (const std::string& name : out_.functions)
      if (is_one_of(kAggregates, name)) out_.combines_rows = true;
    if (selects > 1 || out_.tables.size() != 1) out_.combines_rows = true;
  }

 private:
  const Token* at(std::size_t i) const { return i < tokens_.size() ? &tokens_[i] : nullptr; }
  bool is(std::size_t i, std::string_view word) const { return i < tokens_.size() && tokens_[i].is(word); }
  bool is_name(std::size_t i) const {
    const Token* token = at(i);
    return token != nullptr && token->kind != TokenKind::Number && token->kind != TokenKind::Sign &&
           !(token->kind == TokenKind::Word && is_keyword(token->text) && token->text != "groups");
  }

  // Behind the parenthesis that opens at `i`.
  std::size_t behind_parenthesis(std::size_t i) const {
    std::size_t depth = 0;
    for (; i < tokens_.size(); ++i) {
      if (tokens_[i].is("(")) ++depth;
      if (tokens_[i].is(")") && --depth == 0) return i + 1;
    }
    return i;
  }

  // name [(columns)] AS [NOT MATERIALIZED] (SELECT
  void find_own_tables() {
    bool leading = is(0, "with");
    std::size_t depth = 0;
    for (std::size_t i = 0; i + 2 < tokens_.size(); ++i) {
      if (is(i, "(")) ++depth;
      if (is(i, ")") && depth > 0) --depth;
      if (depth == 0 && is(i, "select")) leading = false;
      if (!is_name(i) || i == 0 || !(is(i - 1, "with") || is(i - 1, "recursive") || is(i - 1, ","))) continue;
      std::size_t next = i + 1;
      const std::size_t columns = next;
      if (is(next, "(")) next = behind_parenthesis(next);
      if (!is(next, "as")) continue;
      const std::size_t columns_end = next;
      ++next;
      if (is(next, "not")) ++next;
      if (is(next, "materialized")) ++next;
      if (!is(next, "(") || !(is(next + 1, "select") || is(next + 1, "with") || is(next + 1, "values"))) continue;
      out_.own_tables.insert(lower(tokens_[i].text));
      if (leading && depth == 0) out_.leading_tables.insert(lower(tokens_[i].text));
      for (std::size_t c = columns; c < columns_end; ++c)
        if (is_name(c)) out_.aliases.insert(lower(tokens_[c].text));
    }
  }

  // Returns where to go on.
  std::size_t step(std::size_t i) {
    const Token& token = tokens_[i];
    if (token.is("(")) return open(i);
    if (token.is(")")) {
      if (levels_.size() > 1) levels_.pop_back();
      levels_.back().expects_table = false;
      return i + 1;
    }
    Level& level = levels_.back();
    const bool is_comparison = i > 1 && is(i - 1, "distinct") && (is(i - 2, "is") || is(i - 2, "not"));
    if (token.is("from") && !is_comparison) {
      level.in_from = level.expects_table = true;
    } else if (token.is("join") || (token.is(",") && level.in_from)) {
      level.expects_table = true;
    } else if (token.kind == TokenKind::Word && is_one_of(kEndsFrom, token.text)) {
      level.in_from = level.expects_table = false;
    } else if (token.is("in") && is_name(i + 1)) {
      return add_table(i + 1);
    } else if (level.expects_table && is_name(i)) {
      level.expects_table = false;
      return add_table(i);
    }
    note_name(i);
    return i + 1;
  }

  std::size_t open(std::size_t i) {
    if (i > 0 && tokens_[i - 1].kind == TokenKind::Word && !is(i - 1, "in") && !levels_.back().expects_table &&
        !is_reserved(tokens_[i - 1].text))
      out_.functions.insert(tokens_[i - 1].text);
    const bool of_tables = levels_.back().expects_table;
    levels_.push_back({of_tables, of_tables});
    return i + 1;
  }

  // A keyword in front of a parenthesis that calls nothing.
  static bool is_reserved(std::string_view word) {
    return is_keyword(word) && word != "replace" && word != "like" && word != "glob" && word != "regexp" &&
           word != "if";
  }

  std::size_t add_table(std::size_t i) {
    TableUse use{lower(tokens_[i].text), {}, tokens_[i].at, false};
    ++i;
    if (is(i, ".") && is_name(i + 1)) {
      use.has_schema = true;
      use.name += "." + lower(tokens_[i + 1].text);
      i += 2;
    }
    if (is(i, "(")) out_.functions.insert(use.name);  // Called like a function.
    use.alias = use.name;
    if (is(i, "as") && is_name(i + 1)) ++i;
    if (is_name(i)) use.alias = lower(tokens_[i++].text);
    out_.tables.push_back(std::move(use));
    return i;
  }

  // What is called something: AS x, or a name right behind what has a value.
  void note_name(std::size_t i) {
    if (i == 0 || !is_name(i)) return;
    const Token& before = tokens_[i - 1];
    const bool is_value =
        before.kind != TokenKind::Sign && (before.kind != TokenKind::Word || !is_keyword(before.text));
    if (before.is("as") || before.is(")") || before.is("end") || before.is("null") || is_value)
      out_.aliases.insert(lower(tokens_[i].text));
  }

  Named& out_;
  const std::vector<Token>& tokens_;
  std::vector<Level> levels_ = {Level{}};
};

}  // namespace

bool Named::names(std::string_view table) const {
  return std::ranges::any_of(tables, [table](const TableUse& use) { return use.name == table; });
}

Result<Named> look_at(std::string_view sql) {
  Named out;
  DE_TRY(tokens, read_tokens(sql));
  out.tokens = std::move(tokens);
  Look(out).run();
  return out;
}

}  // namespace de::osquery
