// LIKE and GLOB as SQLite has them, but aware of the time. One of them over a long text takes up to half a second, and
// a statement may have a thousand of them in one row, between which SQLite does not look at the clock.
#include <bit>
#include <optional>

#include "mirror/function_args.h"

namespace de::mirror {
namespace {

constexpr std::size_t kMaxLikePatternBytes = 256;  // As SQLITE_LIMIT_LIKE_PATTERN_LENGTH.
// Bytes of the pattern x bytes of the text, which one match may have to compare: half a second at the worst. No stored
// text is ever refused.
constexpr std::size_t kMaxLikeWork = 128UL << 20;
// Escapes in a pattern whose own escape character is a wildcard as well, which sqlite3_strlike() does not take.
constexpr char kOtherEscape = '\x01';

bool is_blob(sqlite3_value* value) { return sqlite3_value_type(value) == SQLITE_BLOB; }

// False when the result is settled: a blob matches nothing, and a pattern has its limit.
bool is_usable(sqlite3_context* context, sqlite3_value* pattern, sqlite3_value* text) {
  if (is_blob(pattern) || is_blob(text)) {
    sqlite3_result_int(context, 0);
    return false;
  }
  if (text_of(pattern).size() <= kMaxLikePatternBytes) return true;
  give_error(context, "LIKE or GLOB pattern too complex");
  return false;
}

bool can_afford(sqlite3_context* context, std::string_view pattern, std::string_view text) {
  const std::size_t work = pattern.size() * text.size();
  if (work <= kMaxLikeWork) return has_time(context, work);
  give_error(context, "LIKE or GLOB pattern too complex for a text of " + std::to_string(text.size()) + " bytes");
  return false;
}

void glob(sqlite3_context* context, int, sqlite3_value** args) {
  if (!is_usable(context, args[0], args[1]) || is_null(args[0]) || is_null(args[1])) return;
  const std::string_view pattern = text_of(args[0]), text = text_of(args[1]);
  if (can_afford(context, pattern, text))
    sqlite3_result_int(context, sqlite3_strglob(pattern.data(), text.data()) == 0);
}

// The only character of `text`, read as leniently as SQLite reads UTF-8.
std::optional<unsigned> only_character(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  if (text.empty()) return std::nullopt;
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0xc0) return text.size() == 1 ? std::optional<unsigned>(first) : std::nullopt;
  const int ones = std::countl_one(first);
  unsigned code = ones > 6 ? 0 : first & (0x7fU >> ones);
  for (const char byte : text.substr(1)) {
    if ((static_cast<unsigned char>(byte) & 0xc0U) != 0x80U) return std::nullopt;
    code = code << 6 | (static_cast<unsigned char>(byte) & 0x3fU);
  }
  const bool is_none = code < 0x80 || (code & 0xfffff800U) == 0xd800 || (code & 0xfffffffeU) == 0xfffe;
  return is_none ? 0xfffd : code;
}

std::string with_other_escape(std::string_view pattern, char escape) {
  std::string out;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == escape || pattern[at] == kOtherEscape) out += kOtherEscape;
    if (pattern[at] == escape) ++at;
    if (at < pattern.size()) out += pattern[at];
  }
  return out;
}

void like(sqlite3_context* context, int count, sqlite3_value** args) {
  if (!is_usable(context, args[0], args[1])) return;
  std::string_view pattern = text_of(args[0]);
  std::string other;
  unsigned escape = 0;
  if (count == 3) {
    if (is_null(args[2])) return;
    const auto given = only_character(text_of(args[2]));
    if (!given) return give_error(context, "ESCAPE expression must be a single character");
    escape = *given;
    if (escape == '%' || escape == '_') {
      other = with_other_escape(pattern, static_cast<char>(escape));
      pattern = other;
      escape = kOtherEscape;
    }
  }
  if (is_null(args[0]) || is_null(args[1])) return;
  const std::string_view text = text_of(args[1]);
  if (can_afford(context, pattern, text))
    sqlite3_result_int(context, sqlite3_strlike(pattern.data(), text.data(), escape) == 0);
}

}  // namespace

Result<> add_like_functions(sqlite3* db) {
  const auto add = [db](const char* name, int arguments, void (*function)(sqlite3_context*, int, sqlite3_value**)) {
    return sqlite3_create_function_v2(db, name, arguments, kFunctionFlags, nullptr, function, nullptr, nullptr,
                                      nullptr) == SQLITE_OK;
  };
  if (!add("like", 2, like) || !add("like", 3, like) || !add("glob", 2, glob))
    return fail(Errc::Exhausted, std::string("add SQL functions: ") + sqlite3_errmsg(db));
  return {};
}

}  // namespace de::mirror
