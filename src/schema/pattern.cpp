#include "pattern.h"

#include <bit>
#include <cstdint>
#include <optional>

namespace de::schema {
namespace {

using Code = std::uint32_t;

struct Signs {
  Code all;      // Any characters, also none.
  Code one;      // Any single one.
  Code set;      // Begins a set; 0: there are none.
  bool no_case;  // ASCII letters are equal in both cases.
};
constexpr Signs kLike{'%', '_', 0, true};
constexpr Signs kGlob{'*', '?', '[', false};

// Goes through a text as SQLite reads UTF-8: whatever the bytes are, each belongs to some character.
class Reader {
 public:
  explicit Reader(std::string_view text) : left_(text.substr(0, text.find('\0'))) {}

  bool is_at_end() const { return left_.empty(); }
  char next_byte() const { return left_[0]; }
  Code take() {  // 0 at the end.
    if (left_.empty()) return 0;
    const auto first = static_cast<unsigned char>(left_[0]);
    left_.remove_prefix(1);
    if (first < 0xc0) return first;
    const int ones = std::countl_one(first);
    Code code = ones > 6 ? 0 : first & (0x7fU >> ones);
    while (!left_.empty() && (static_cast<unsigned char>(left_[0]) & 0xc0U) == 0x80U) {
      code = code << 6 | (static_cast<unsigned char>(left_[0]) & 0x3fU);
      left_.remove_prefix(1);
    }
    const bool is_none = code < 0x80 || (code & 0xfffff800U) == 0xd800 || (code & 0xfffffffeU) == 0xfffe;
    return is_none ? 0xfffd : code;
  }

 private:
  std::string_view left_;
};

Code lower(Code code) { return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code; }

// Behind a '[': is `code` in the set? Absent: the set has no end, and nothing can match. A ']' in front is a member, a
// '-' between two is a range, and one at either edge is itself.
std::optional<bool> is_in_set(Reader& pattern, Code code) {
  bool seen = false;
  Code before = 0;
  Code member = pattern.take();
  const bool inverted = member == '^';
  if (inverted) member = pattern.take();
  if (member == ']') {
    seen = code == ']';
    member = pattern.take();
  }
  while (member != 0 && member != ']') {
    if (member == '-' && before > 0 && !pattern.is_at_end() && pattern.next_byte() != ']') {
      member = pattern.take();
      seen |= code >= before && code <= member;
      before = 0;
    } else {
      seen |= code == member;
      before = member;
    }
    member = pattern.take();
  }
  if (member == 0) return std::nullopt;
  return seen != inverted;
}

// The pattern's next item, which is not "any characters", and the text's next character. Absent: see is_in_set().
std::optional<bool> is_one(Reader& pattern, Reader& text, const Signs& signs) {
  const Code wanted = pattern.take();
  const Code code = text.take();
  if (signs.set != 0 && wanted == signs.set) return is_in_set(pattern, code);
  if (wanted == code || wanted == signs.one) return true;
  return signs.no_case && wanted < 0x80 && code < 0x80 && lower(wanted) == lower(code);
}

bool matches(Reader pattern, Reader text, const Signs& signs) {
  // Behind the latest "any characters", and where the text is tried against that: earlier ones need no second chance.
  std::optional<Reader> resume_pattern, resume_text;
  for (;;) {
    if (!pattern.is_at_end() && static_cast<Code>(static_cast<unsigned char>(pattern.next_byte())) == signs.all) {
      (void)pattern.take();
      if (pattern.is_at_end()) return true;
      resume_pattern = pattern;
      resume_text = text;
      continue;
    }
    if (pattern.is_at_end() && text.is_at_end()) return true;
    if (text.is_at_end()) return false;  // What is left of the pattern takes a character at least.
    if (!pattern.is_at_end()) {
      const std::optional<bool> is_same = is_one(pattern, text, signs);
      if (!is_same) return false;
      if (*is_same) continue;
    }
    if (!resume_text || resume_text->is_at_end()) return false;
    (void)resume_text->take();
    pattern = *resume_pattern;
    text = *resume_text;
  }
}

}  // namespace

bool is_like(std::string_view pattern, std::string_view text) { return matches(Reader(pattern), Reader(text), kLike); }

bool is_glob(std::string_view pattern, std::string_view text) { return matches(Reader(pattern), Reader(text), kGlob); }

}  // namespace de::schema
