// The pieces of an SQL statement, as SQLite's own reader cuts them.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::osquery {

constexpr std::size_t kMaxStatementBytes = 128UL << 10;

enum class TokenKind : std::uint8_t {
  Word,         // A bare name or keyword; `text` in lower case.
  DoubleQuote,  // "x": a name, or a text where there is no such name.
  Name,         // [x] or `x`.
  Text,         // 'x'
  Number,
  Sign,  // One or two characters.
};

struct Token {
  TokenKind kind = TokenKind::Sign;
  std::size_t at = 0;  // In the statement.
  std::size_t size = 0;
  std::string text;  // Without its quotes.

  bool is(std::string_view word) const { return (kind == TokenKind::Word || kind == TokenKind::Sign) && text == word; }
};

// Without blanks and comments. Errors: Invalid (a quote or comment without an end, with line and column), TooLarge.
Result<std::vector<Token>> read_tokens(std::string_view sql);

std::string lower(std::string_view text);  // ASCII only, as SQLite compares names.
bool is_keyword(std::string_view word);    // Of SQLite; in lower case.

// "line 2, column 5", of an offset.
std::string place_of(std::string_view sql, std::size_t at);

}  // namespace de::osquery
