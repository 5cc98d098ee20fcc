#include "mirror/text_need.h"

#include <re2/filtered_re2.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace de::mirror {
namespace {

constexpr std::size_t kMaxRegexAtoms = 200;
constexpr int kMinAtomBytes = 2;

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
    return std::ranges::none_of(
        word, [](char c) { return c >= 'a' && c <= 'z' && std::string_view("einf").find(c) == std::string_view::npos; });
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

bool has_clue(const Clue& clue, std::string_view text) {
  if (clue.at_begin && clue.at_end) return text == clue.text;
  if (clue.at_begin) return text.starts_with(clue.text);
  if (clue.at_end) return text.ends_with(clue.text);
  return text.find(clue.text) != std::string_view::npos;
}

// Whether the expression can match a text that has no atom but those left out of `needed`.
bool matches_without(const re2::FilteredRE2& filter, const std::vector<std::string>& atoms,
                     const std::vector<char>& needed) {
  std::vector<int> there, potential;
  for (std::size_t i = 0; i < atoms.size(); ++i)
    if (needed[i] == 0) there.push_back(static_cast<int>(i));
  filter.AllPotentials(there, &potential);
  return !potential.empty();
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

// RE2's atoms are lower case by Unicode's rules, and one of some letters is ASCII: texts with such letters are let pass.
Clues clues_of_regex(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  re2::FilteredRE2 filter(kMinAtomBytes);
  int id = 0;
  if (filter.Add({pattern.data(), pattern.size()}, options, &id) != RE2::NoError) return {};
  std::vector<std::string> atoms;
  filter.Compile(&atoms);
  if (atoms.empty() || atoms.size() > kMaxRegexAtoms) return {};
  std::vector<char> needed(atoms.size(), 1);
  if (matches_without(filter, atoms, needed)) return {};
  // The shortest are given up first.
  std::vector<std::size_t> order(atoms.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(atoms[i].size(), i); });
  for (const std::size_t i : order) {
    needed[i] = 0;
    if (matches_without(filter, atoms, needed)) needed[i] = 1;
  }
  Clues out{{}, false, true};
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    if (needed[i] == 0) continue;
    if (!std::ranges::all_of(atoms[i], is_ascii)) continue;  // Only in a text that is not ASCII.
    out.clues.push_back({folded(atoms[i]), false, false});
  }
  return out;
}

Need need_of(const Clues& clues, std::size_t column, Form form) {
  if (clues.clues.empty() && !clues.ascii_only) return Need::always();
  Need out = clues.all ? Need::always() : Need::never();
  for (const Clue& clue : clues.clues) {
    std::vector<Literal> literals;
    for (std::string& text : texts_of(clue, form)) literals.push_back({column, std::move(text)});
    const Need one = literals.empty() ? Need::always() : Need::any_of(std::move(literals));
    out = clues.all ? both(out, one) : either(out, one);
  }
  // In JSON other letters may be escaped, too; that has a backslash.
  if (clues.ascii_only) out = either(out, Need::any_of({{column, std::string(1, kBeyondAscii)}}));
  if (clues.ascii_only && form == Form::Json) out = either(out, Need::any_of({{column, "\\"}}));
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
