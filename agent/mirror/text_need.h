// What a text must contain so that a comparison with a constant can be true.
//
// Thread: any (pure).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mirror/literal.h"

namespace de::mirror {

// What an expression makes of a column.
enum class Form : std::uint8_t {
  Whole,     // Itself; upper and lower case are the same here.
  Basename,  // Its last part.
  Part,      // Something that is in it as it stands.
  Json,      // A value in it, or several, without the quotes and escapes.
};

// One thing that must be in a text.
struct Clue {
  std::string text;  // Folded.
  bool at_begin = false;
  bool at_end = false;
};

// Clues: with `all`, each of them is in the text, otherwise one of them. Without a clue nothing is known.
struct Clues {
  std::vector<Clue> clues;
  bool all = true;
  bool ascii_only = false;  // Nothing is known of a text that has other bytes.
};

Clues clues_of_equal(std::string_view text, bool trims_end);
Clues clues_of_instr(std::string_view needle);
Clues clues_of_like(std::string_view pattern, std::optional<char> escape);
Clues clues_of_glob(std::string_view pattern);
Clues clues_of_regex(std::string_view pattern);  // regex_clues.cpp

// Where a text comes from: a column, and what stands in front of all of it.
struct Place {
  std::size_t column = 0;
  Form form = Form::Whole;
  std::string front;  // With one, the form is Whole.
  friend bool operator==(const Place&, const Place&) = default;
};

// What must be in the column so that the text has the clues.
Need need_of(const Clues& clues, const Place& place);
// Of a text that is known. False: it cannot have them.
bool may_have(const Clues& clues, std::string_view text);

}  // namespace de::mirror
