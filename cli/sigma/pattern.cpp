#include "sigma/pattern.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <span>

namespace de::sigma {
namespace {

using Kind = Piece::Kind;

constexpr std::size_t kMaxLikeBytes = 250;      // SQLite's limit is 256.
constexpr std::size_t kMaxRegexWeight = 1'800;  // The agent takes expressions of 2,048 instructions.
constexpr std::string_view kDashClass = "[-/\u2013\u2014\u2015]";

void add_text(Pattern& to, char c) {
  if (to.empty() || to.back().kind != Kind::Text) to.push_back({Kind::Text, {}});
  to.back().text.push_back(c);
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// LIKE and NOCASE fold ASCII only, and know neither several dashes nor what YAML makes of a control character.
bool takes_regex(const Pattern& pattern, bool cased) {
  std::size_t bytes = 0;
  for (const Piece& piece : pattern) {
    if (piece.kind == Kind::Dash) return true;
    for (const char c : piece.text)
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) return true;
    bytes += 2 * piece.text.size() + 1;
  }
  const bool is_plain = pattern.size() == 1 && pattern[0].kind == Kind::Text;
  return (cased && !is_plain) || (!is_plain && bytes > kMaxLikeBytes);
}

std::string to_like(const Pattern& pattern) {
  std::string out;
  for (const Piece& piece : pattern) {
    if (piece.kind == Kind::Any) out += '%';
    if (piece.kind == Kind::One) out += '_';
    for (const char c : piece.text) {
      if (c == '%' || c == '_' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out;
}

std::string to_like_term(const std::string& column, const Pattern& pattern) {
  const std::string like = to_like(pattern);
  return column + " LIKE " + quoted(like) + (like.find('\\') == like.npos ? "" : " ESCAPE '\\'");
}

void add_quoted_regex(std::string_view text, std::string& out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      (void)std::snprintf(escaped, sizeof escaped, "\\x%02X", byte);
      out += escaped;
      continue;
    }
    if (byte < 0x80 && !is_word(c) && c != ' ' && c != '/' && c != '-' && c != '\'') out += '\\';
    out += c;
  }
}

std::string to_regex(const Pattern& pattern) {
  std::string out;
  const bool open_front = !pattern.empty() && pattern.front().kind == Kind::Any;
  const bool open_back = !pattern.empty() && pattern.back().kind == Kind::Any;
  if (!open_front) out += '^';
  for (std::size_t i = open_front ? 1 : 0; i < pattern.size() - (open_back && pattern.size() > 1 ? 1 : 0); ++i) {
    const Piece& piece = pattern[i];
    if (piece.kind == Kind::Any) out += ".*";
    if (piece.kind == Kind::One) out += '.';
    if (piece.kind == Kind::Dash) out += kDashClass;
    add_quoted_regex(piece.text, out);
  }
  if (!open_back) out += '$';
  return out;
}

// About the instructions that an expression is compiled to.
std::size_t weight_of(std::string_view regex) {
  std::size_t out = 1;
  for (const char c : regex) out += static_cast<unsigned char>(c) < 0x80 ? 1 : 4;
  return out;
}

// Few long expressions: a statement may have 32.
void add_regexes(const std::string& column, const std::vector<std::string>& patterns, bool cased,
                 std::vector<std::string>& terms) {
  const std::string flags = cased ? "(?s)" : "(?is)";
  for (std::size_t i = 0; i < patterns.size();) {
    std::string all;
    std::size_t weight = 0;
    do {
      weight += weight_of(patterns[i]);
      all += (all.empty() ? "" : "|") + patterns[i++];
    } while (i < patterns.size() && weight + weight_of(patterns[i]) < kMaxRegexWeight);
    terms.push_back(column + " REGEXP " + quoted(flags + "(?:" + all + ")"));
  }
}

std::string join_some(std::span<const std::string> terms, std::string_view by) {
  if (terms.size() == 1) return terms[0];
  const std::size_t half = terms.size() / 2;
  const std::string left = join_some(terms.first(half), by), right = join_some(terms.subspan(half), by);
  return "(" + left + std::string(by) + right + ")";
}

}  // namespace

Pattern parse_pattern(std::string_view value) {
  Pattern out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const char next = i + 1 < value.size() ? value[i + 1] : '\0';
    if (c == '\\' && (next == '*' || next == '?' || next == '\\')) {
      add_text(out, next);
      ++i;
    } else if (c == '*') {
      if (out.empty() || out.back().kind != Kind::Any) out.push_back({Kind::Any, {}});
    } else if (c == '?') {
      out.push_back({Kind::One, {}});
    } else {
      add_text(out, c);
    }
  }
  return out;
}

Pattern literal(std::string_view text) { return text.empty() ? Pattern() : Pattern{{Kind::Text, std::string(text)}}; }

Pattern with_dashes(const Pattern& pattern) {
  Pattern out;
  for (const Piece& piece : pattern) {
    if (piece.kind != Kind::Text) {
      out.push_back(piece);
      continue;
    }
    for (std::size_t i = 0; i < piece.text.size(); ++i) {
      const bool begins = i == 0 || !is_word(piece.text[i - 1]);
      const bool word_follows = i + 1 < piece.text.size() && is_word(piece.text[i + 1]);
      if ((piece.text[i] == '-' || piece.text[i] == '/') && begins && word_follows)
        out.push_back({Kind::Dash, {}});
      else
        add_text(out, piece.text[i]);
    }
  }
  return out;
}

void open_begin(Pattern& pattern) {
  if (pattern.empty() || pattern.front().kind != Kind::Any) pattern.insert(pattern.begin(), {Kind::Any, {}});
}

void open_end(Pattern& pattern) {
  if (pattern.empty() || pattern.back().kind != Kind::Any) pattern.push_back({Kind::Any, {}});
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

std::string matches_any(const std::string& column, const std::vector<Pattern>& patterns, bool cased) {
  std::vector<std::string> terms, regexes;
  for (const Pattern& pattern : patterns) {
    const bool is_plain = pattern.empty() || (pattern.size() == 1 && pattern[0].kind == Kind::Text);
    if (pattern.size() == 1 && pattern[0].kind == Kind::Any)
      terms.push_back(column + " IS NOT NULL");
    else if (takes_regex(pattern, cased))
      regexes.push_back(to_regex(pattern));
    else if (is_plain)
      terms.push_back(column + " = " + quoted(pattern.empty() ? "" : pattern[0].text) +
                      (cased ? "" : " COLLATE NOCASE"));
    else
      terms.push_back(to_like_term(column, pattern));
  }
  add_regexes(column, regexes, cased, terms);
  return joined(terms, " OR ");
}

std::string joined(const std::vector<std::string>& terms, std::string_view by) {
  return terms.empty() ? "0" : join_some(terms, by);
}

}  // namespace de::sigma
