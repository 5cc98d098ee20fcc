#include "daemoneye/osquery/tokens.h"

#include <algorithm>
#include <iterator>

namespace de::osquery {
namespace {

constexpr std::string_view kKeywords[] = {"abort",
                                          "action",
                                          "add",
                                          "after",
                                          "all",
                                          "alter",
                                          "always",
                                          "analyze",
                                          "and",
                                          "as",
                                          "asc",
                                          "attach",
                                          "autoincrement",
                                          "before",
                                          "begin",
                                          "between",
                                          "by",
                                          "cascade",
                                          "case",
                                          "cast",
                                          "check",
                                          "collate",
                                          "column",
                                          "commit",
                                          "conflict",
                                          "constraint",
                                          "create",
                                          "cross",
                                          "current",
                                          "current_date",
                                          "current_time",
                                          "current_timestamp",
                                          "database",
                                          "default",
                                          "deferrable",
                                          "deferred",
                                          "delete",
                                          "desc",
                                          "detach",
                                          "distinct",
                                          "do",
                                          "drop",
                                          "each",
                                          "else",
                                          "end",
                                          "escape",
                                          "except",
                                          "exclude",
                                          "exclusive",
                                          "exists",
                                          "explain",
                                          "fail",
                                          "filter",
                                          "first",
                                          "following",
                                          "for",
                                          "foreign",
                                          "from",
                                          "full",
                                          "generated",
                                          "glob",
                                          "group",
                                          "groups",
                                          "having",
                                          "if",
                                          "ignore",
                                          "immediate",
                                          "in",
                                          "index",
                                          "indexed",
                                          "initially",
                                          "inner",
                                          "insert",
                                          "instead",
                                          "intersect",
                                          "into",
                                          "is",
                                          "isnull",
                                          "join",
                                          "key",
                                          "last",
                                          "left",
                                          "like",
                                          "limit",
                                          "match",
                                          "materialized",
                                          "natural",
                                          "no",
                                          "not",
                                          "nothing",
                                          "notnull",
                                          "null",
                                          "nulls",
                                          "of",
                                          "offset",
                                          "on",
                                          "or",
                                          "order",
                                          "others",
                                          "outer",
                                          "over",
                                          "partition",
                                          "plan",
                                          "pragma",
                                          "preceding",
                                          "primary",
                                          "query",
                                          "raise",
                                          "range",
                                          "recursive",
                                          "references",
                                          "regexp",
                                          "reindex",
                                          "release",
                                          "rename",
                                          "replace",
                                          "restrict",
                                          "returning",
                                          "right",
                                          "rollback",
                                          "row",
                                          "rows",
                                          "savepoint",
                                          "select",
                                          "set",
                                          "table",
                                          "temp",
                                          "temporary",
                                          "then",
                                          "ties",
                                          "to",
                                          "transaction",
                                          "trigger",
                                          "unbounded",
                                          "union",
                                          "unique",
                                          "update",
                                          "using",
                                          "vacuum",
                                          "values",
                                          "view",
                                          "virtual",
                                          "when",
                                          "where",
                                          "window",
                                          "with",
                                          "without"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

class Reader {
 public:
  explicit Reader(std::string_view sql) : sql_(sql) {}

  Result<std::vector<Token>> read() {
    while (at_ < sql_.size()) {
      if (is_blank(sql_[at_])) {
        ++at_;
      } else if (rest().starts_with("--")) {
        at_ = std::min(sql_.find('\n', at_), sql_.size());
      } else if (rest().starts_with("/*")) {
        const std::size_t end = sql_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? sql_.size() : end + 2;  // SQLite lets the last one end with the text.
      } else {
        DE_CHECK(read_one());
      }
    }
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return sql_.substr(at_); }

  void add(TokenKind kind, std::size_t size, std::string text) {
    tokens_.push_back({kind, at_, size, std::move(text)});
    at_ += size;
  }

  Result<> read_one() {
    const char c = sql_[at_];
    if (c == '\'') return read_quoted(TokenKind::Text, '\'');
    if (c == '"') return read_quoted(TokenKind::DoubleQuote, '"');
    if (c == '`') return read_quoted(TokenKind::Name, '`');
    if (c == '[') return read_bracketed();
    if (is_digit(c) || (c == '.' && at_ + 1 < sql_.size() && is_digit(sql_[at_ + 1]))) {
      read_number();
    } else if (is_word(c)) {
      std::size_t end = at_;
      while (end < sql_.size() && is_word(sql_[end])) ++end;
      add(TokenKind::Word, end - at_, lower(sql_.substr(at_, end - at_)));
    } else {
      constexpr std::string_view kTwo[] = {"||", "<=", ">=", "<>", "!=", "==", "<<", ">>", "->"};
      const bool two = std::ranges::find(kTwo, rest().substr(0, 2)) != std::end(kTwo);
      add(TokenKind::Sign, two ? 2 : 1, std::string(sql_.substr(at_, two ? 2 : 1)));
    }
    return {};
  }

  void read_number() {
    std::size_t end = at_;
    while (end < sql_.size() && (is_word(sql_[end]) || sql_[end] == '.' ||
                                 ((sql_[end] == '+' || sql_[end] == '-') && (sql_[end - 1] | 32) == 'e')))
      ++end;
    add(TokenKind::Number, end - at_, std::string(sql_.substr(at_, end - at_)));
  }

  // Two of them in a row are one of the text.
  Result<> read_quoted(TokenKind kind, char quote) {
    std::string text;
    std::size_t end = at_ + 1;
    for (; end < sql_.size(); ++end) {
      if (sql_[end] != quote) {
        text += sql_[end];
      } else if (end + 1 < sql_.size() && sql_[end + 1] == quote) {
        text += sql_[end++];
      } else {
        add(kind, end + 1 - at_, std::move(text));
        return {};
      }
    }
    return fail(Errc::Invalid, std::string("the quote ") + quote + " has no end (" + place_of(sql_, at_) + ")");
  }

  Result<> read_bracketed() {
    const std::size_t end = sql_.find(']', at_);
    if (end == std::string_view::npos)
      return fail(Errc::Invalid, "the bracket [ has no end (" + place_of(sql_, at_) + ")");
    add(TokenKind::Name, end + 1 - at_, std::string(sql_.substr(at_ + 1, end - at_ - 1)));
    return {};
  }

  const std::string_view sql_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> read_tokens(std::string_view sql) {
  if (sql.size() > kMaxStatementBytes) return fail(Errc::TooLarge, "the statement is longer than 128 KiB");
  if (sql.find('\0') != std::string_view::npos) return fail(Errc::Invalid, "the statement contains a NUL byte");
  return Reader(sql).read();
}

bool is_keyword(std::string_view word) { return std::binary_search(std::begin(kKeywords), std::end(kKeywords), word); }

std::string place_of(std::string_view sql, std::size_t at) {
  const std::string_view before = sql.substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0.
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

}  // namespace de::osquery
