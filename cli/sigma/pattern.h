// A value of a Sigma detection: text with wildcards, and how SQL says that a column matches it.
// Source: Sigma rules specification 2.1.0, "Wildcards" and "Escaping".
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace de::sigma {

struct Piece {
  enum class Kind : std::uint8_t { Text, Any, One, Dash };  // Dash: any of the five that windash is about.
  Kind kind = Kind::Text;
  std::string text;  // Of Text.

  bool operator==(const Piece&) const = default;
};
using Pattern = std::vector<Piece>;

// `*` is any number of characters, `?` one; `\` in front of these and of itself takes their meaning away, and is itself
// in front of anything else.
Pattern parse_pattern(std::string_view value);
// Every character stands for itself.
Pattern literal(std::string_view text);
// Dashes and slashes at the begin of a word become Piece::Dash.
Pattern with_dashes(const Pattern& pattern);

// Anything may come before, or after.
void open_begin(Pattern& pattern);
void open_end(Pattern& pattern);

// 'text' as SQL has it, quotes doubled.
std::string quoted(std::string_view text);

// That `column` (SQL) matches one of them, without regard to case unless `cased`. NULL where the column is.
std::string matches_any(const std::string& column, const std::vector<Pattern>& patterns, bool cased);

// Terms joined by " OR " or " AND ": in parentheses, and nested so that thousands of them are not deep.
std::string joined(const std::vector<std::string>& terms, std::string_view by);

}  // namespace de::sigma
