// What must be in an event so that something can be true: one of a few literals, each in a column.
//
// Literals are compared without regard to the case of ASCII letters. That is more than SQL does: an event that is found
// in vain costs a little time, one that is not found would be an alert lost.
//
// Thread: any (pure).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace de::mirror {

// In literals and in what is searched capital letters do not occur; three of them stand for something else.
constexpr char kTextBegin = 'A';
constexpr char kTextEnd = 'B';
constexpr char kBeyondAscii = 'C';  // Somewhere in the text is a byte that is not ASCII.

constexpr char fold(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string folded(std::string_view text);

struct Literal {
  std::size_t column = 0;  // Its place among schema::event_columns().
  std::string text;        // Folded; kTextBegin in front, kTextEnd behind.
  friend auto operator<=>(const Literal&, const Literal&) = default;
};

// How often a literal is in an event that nobody looks for: kCommon is nearly always.
constexpr std::int64_t kCommon = 65'536;
std::int64_t cost_of(const Literal& literal);

// A necessary condition, never a sufficient one.
class Need {
 public:
  static constexpr std::size_t kMaxLiterals = 1'000;  // With more it is taken for something that can always be.

  static Need always() { return Need(Kind::Always); }
  static Need never() { return Need(Kind::AnyOf); }
  static Need any_of(std::vector<Literal> literals);

  bool is_always() const { return kind_ == Kind::Always; }
  bool is_never() const { return kind_ == Kind::AnyOf && literals_.empty(); }
  // One of them; empty when it is always or never.
  const std::vector<Literal>& literals() const { return literals_; }
  std::int64_t cost() const { return cost_; }

 private:
  enum class Kind : std::uint8_t { AnyOf, Always };
  explicit Need(Kind kind) : kind_(kind) {}

  Kind kind_;
  std::vector<Literal> literals_;  // Sorted.
  std::int64_t cost_ = 0;
};

// Where one of the two is needed.
Need either(const Need& a, const Need& b);
// Where both are needed one is enough to know: that which is there less often.
const Need& both(const Need& a, const Need& b);

}  // namespace de::mirror
