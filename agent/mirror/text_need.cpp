#include "mirror/text_need.h"

#include <algorithm>
#include <utility>

namespace de::mirror {
namespace {

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

// Pieces of a pattern between what stands for anything. LIKE and GLOB decode what is not ASCII leniently, so that two
// sequences of bytes may be one character: it stands for anything, too.
class Pieces {
 public:
  void add(char c) {
    if (!is_ascii(c)) return skip();
    current_.text += fold(c);
  }
  void skip() {
    finish(false);
    current_ = Clue();
  }
  Clues take() {
    finish(true);
    return std::move(out_);
  }

 private:
  void finish(bool at_end) {
    current_.at_end = at_end;
    if (!current_.text.empty() || (current_.at_begin && at_end)) out_.clues.push_back(current_);
  }

  Clue current_{"", true, false};
  Clues out_;
};

// What of a text must be in JSON that holds it. Punctuation may stand further apart there, numbers and what is no
// number may be written otherwise, and what is escaped has a backslash.
std::vector<std::string> words_in_json(std::string_view text) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    const bool is_itself = is_ascii(c) && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f &&
                           std::string_view("{}[],:\"\\").find(c) == std::string_view::npos;
    if (is_itself)
      out.back() += c;
    else if (!out.back().empty())
      out.emplace_back();
  }
  std::erase_if(out, [](const std::string& word) {
    return std::ranges::none_of(word, [](char c) {
      return c >= 'a' && c <= 'z' && std::string_view("einf").find(c) == std::string_view::npos;
    });
  });
  return out;
}

// One of these is in the column when the clue is in its form; nothing when that cannot be said.
std::vector<std::string> texts_of(const Clue& clue, Form form) {
  switch (form) {
    case Form::Whole:
      return {(clue.at_begin ? std::string(1, kTextBegin) : "") + clue.text +
              (clue.at_end ? std::string(1, kTextEnd) : "")};
    case Form::Basename:
      if (!clue.at_begin || !clue.at_end || clue.text.empty() || clue.text.find('/') != std::string::npos) break;
      // basename() drops slashes at the end.
      return {kTextBegin + clue.text, "/" + clue.text + kTextEnd, "/" + clue.text + "/"};
    case Form::Part:
      break;
    case Form::Json: {
      auto words = words_in_json(clue.text);
      const auto longest = std::ranges::max_element(words, {}, &std::string::size);
      if (longest == words.end()) return {};
      return {*longest, "\\"};
    }
  }
  if (clue.text.empty()) return {};
  return {clue.text};
}

Need need_of_clue(const Clue& clue, const Place& place) {
  std::vector<Literal> literals;
  for (std::string& text : texts_of(clue, place.form)) literals.push_back({place.column, std::move(text)});
  return literals.empty() ? Need::always() : Need::any_of(std::move(literals));
}

// The column stands behind a constant: the clue is in the constant, in the column, or begins in the one and ends in the
// other.
Need need_behind(const Clue& clue, const Place& place) {
  const std::string front = folded(place.front);
  const std::string end = clue.at_end ? std::string(1, kTextEnd) : std::string();
  const auto begins_with = [&](std::string_view rest) { return kTextBegin + std::string(rest) + end; };
  const bool is_in_front = clue.at_begin ? front.starts_with(clue.text) : front.find(clue.text) != std::string::npos;
  if (is_in_front && !clue.at_end) return Need::always();
  if (clue.at_begin && !clue.text.starts_with(front)) return Need::never();
  if (clue.at_begin) return Need::any_of({{place.column, begins_with(clue.text.substr(front.size()))}});
  std::vector<Literal> literals = {{place.column, clue.text + end}};
  for (std::size_t i = 1; i <= std::min(clue.text.size(), front.size()); ++i)
    if (front.ends_with(std::string_view(clue.text).substr(0, i)))
      literals.push_back({place.column, begins_with(std::string_view(clue.text).substr(i))});
  return Need::any_of(std::move(literals));
}

bool has_clue(const Clue& clue, std::string_view text) {
  if (clue.at_begin && clue.at_end) return text == clue.text;
  if (clue.at_begin) return text.starts_with(clue.text);
  if (clue.at_end) return text.ends_with(clue.text);
  return text.find(clue.text) != std::string_view::npos;
}

}  // namespace

Clues clues_of_equal(std::string_view text, bool trims_end) {
  while (trims_end && text.ends_with(' ')) text.remove_suffix(1);
  return {{{folded(text), true, !trims_end}}, true, false};
}

Clues clues_of_instr(std::string_view needle) {
  if (needle.empty()) return {};
  return {{{folded(needle), false, false}}, true, false};
}

Clues clues_of_like(std::string_view pattern, std::optional<char> escape) {
  Pieces pieces;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (escape && pattern[i] == *escape) {
      if (++i == pattern.size()) break;  // Matches nothing.
      pieces.add(pattern[i]);
    } else if (pattern[i] == '%' || pattern[i] == '_') {
      pieces.skip();
    } else {
      pieces.add(pattern[i]);
    }
  }
  return pieces.take();
}

Clues clues_of_glob(std::string_view pattern) {
  Pieces pieces;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '[') {
      // A set: '^' and ']' may come first and mean themselves.
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') ++i;
      const std::size_t end = pattern.find(']', i + 2);
      if (end == std::string_view::npos) return {};
      i = end;
      pieces.skip();
    } else if (c == '*' || c == '?') {
      pieces.skip();
    } else {
      pieces.add(c);
    }
  }
  return pieces.take();
}

Need need_of(const Clues& clues, const Place& place) {
  if (clues.clues.empty() && !clues.ascii_only) return Need::always();
  if (clues.ascii_only && !std::ranges::all_of(place.front, is_ascii)) return Need::always();
  Need out = clues.all ? Need::always() : Need::never();
  for (const Clue& clue : clues.clues) {
    const Need one = place.front.empty() ? need_of_clue(clue, place) : need_behind(clue, place);
    out = clues.all ? both(out, one) : either(out, one);
  }
  // In JSON other letters may be escaped, too; that has a backslash.
  if (clues.ascii_only) out = either(out, Need::any_of({{place.column, std::string(1, kBeyondAscii)}}));
  if (clues.ascii_only && place.form == Form::Json) out = either(out, Need::any_of({{place.column, "\\"}}));
  return out;
}

bool may_have(const Clues& clues, std::string_view text) {
  if (clues.ascii_only && !std::ranges::all_of(text, is_ascii)) return true;
  if (clues.clues.empty()) return !clues.ascii_only;
  const std::string known = folded(text);
  const auto has = [&](const Clue& clue) { return has_clue(clue, known); };
  return clues.all ? std::ranges::all_of(clues.clues, has) : std::ranges::any_of(clues.clues, has);
}

}  // namespace de::mirror
