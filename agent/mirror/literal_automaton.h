// Finds all of many literals in one pass over a text (Aho and Corasick's automaton, with its states packed).
//
// Thread: any (immutable once built).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "mirror/literal.h"

namespace de::mirror {

class LiteralAutomaton {
 public:
  static constexpr std::size_t kStateBytes =
      17;  // There are at most as many states as the literals have bytes, and one.

  LiteralAutomaton() { build({}); }
  // Sorted, each once, none of them empty; as Literal::text is.
  explicit LiteralAutomaton(std::span<const std::string_view> literals) { build(literals); }
  // Calls back with the place of each literal that is in the text; more than once when it is there several times. What
  // C functions take for the end, the first NUL, counts as an end, too.
  template <class OnLiteral>
  void scan(std::string_view text, const OnLiteral& on_literal) const;

  std::size_t bytes() const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;

  void build(std::span<const std::string_view> literals);
  void link_states();
  std::uint32_t child(std::uint32_t state, char symbol) const;
  std::uint32_t step(std::uint32_t state, char symbol) const;
  template <class OnLiteral>
  void report(std::uint32_t state, const OnLiteral& on_literal) const;

  // By state, in order of depth: the children of one stand in a row, sorted by symbol.
  std::vector<std::uint32_t> first_child_;  // One more than there are states.
  std::vector<char> symbol_;
  std::vector<std::uint32_t> fail_;     // The longest end of what was read that is a beginning of a literal.
  std::vector<std::uint32_t> literal_;  // The one that ends here.
  std::vector<std::uint32_t> shorter_;  // The next state on the way of fail_ where one ends.
  std::array<std::uint32_t, 256> root_{};
};

inline std::uint32_t LiteralAutomaton::child(std::uint32_t state, char symbol) const {
  const std::uint32_t first = first_child_[state];
  const std::uint32_t count = first_child_[state + 1] - first;
  if (count == 0) return kNone;
  const void* found = std::memchr(symbol_.data() + first, symbol, count);
  if (found == nullptr) return kNone;
  return static_cast<std::uint32_t>(static_cast<const char*>(found) - symbol_.data());
}

inline std::uint32_t LiteralAutomaton::step(std::uint32_t state, char symbol) const {
  while (state != 0) {
    if (const std::uint32_t next = child(state, symbol); next != kNone) return next;
    state = fail_[state];
  }
  return root_[static_cast<unsigned char>(symbol)];
}

template <class OnLiteral>
void LiteralAutomaton::report(std::uint32_t state, const OnLiteral& on_literal) const {
  if (literal_[state] == kNone) state = shorter_[state];
  for (; state != kNone; state = shorter_[state]) on_literal(literal_[state]);
}

template <class OnLiteral>
void LiteralAutomaton::scan(std::string_view text, const OnLiteral& on_literal) const {
  std::uint32_t state = step(0, kTextBegin);
  report(state, on_literal);
  for (const char c : text) {
    if (c == '\0') report(step(state, kTextEnd), on_literal);
    state = step(state, fold(c));
    report(state, on_literal);
  }
  report(step(state, kTextEnd), on_literal);
}

}  // namespace de::mirror
