// What a text must contain so that a regular expression can match it, by RE2's own account.
#include <re2/filtered_re2.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mirror/text_need.h"

namespace de::mirror {
namespace {

constexpr std::size_t kMaxBranches = 1'000;
constexpr std::size_t kMaxAtoms = 200;  // Of one branch.
constexpr int kMinAtomBytes = 2;

bool is_all_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The two characters beyond ASCII that are the same as one of ASCII where case does not matter: long s and kelvin.
bool is_perhaps_ascii(std::string_view text) {
  return text.find("\xc5\xbf") != std::string_view::npos || text.find("\xe2\x84\xaa") != std::string_view::npos;
}

// "(?is)" in front of everything.
std::size_t flags_size(std::string_view pattern) {
  if (!pattern.starts_with("(?")) return 0;
  const std::size_t end = pattern.find_first_not_of("imsU", 2);
  return end != std::string_view::npos && pattern[end] == ')' ? end + 1 : 0;
}

// Behind the set that begins there; nothing when that is not plain to see.
std::optional<std::size_t> end_of_set(std::string_view pattern, std::size_t at) {
  ++at;
  if (at < pattern.size() && pattern[at] == '^') ++at;
  for (bool is_first = true; at < pattern.size(); ++at, is_first = false) {
    if (pattern[at] == '[') return std::nullopt;  // Perhaps [:alpha:].
    if (pattern[at] == '\\')
      ++at;
    else if (pattern[at] == ']' && !is_first)
      return at + 1;
  }
  return std::nullopt;
}

// The alternatives on the outermost level; only one when the expression is not easily taken apart.
std::vector<std::string_view> branches_of(std::string_view pattern) {
  std::vector<std::string_view> out;
  std::size_t begin = 0, depth = 0;
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c == '\\') {
      if (pattern.substr(at).starts_with("\\Q")) return {pattern};
      at += 2;
      continue;
    }
    if (c == '[') {
      const auto end = end_of_set(pattern, at);
      if (!end) return {pattern};
      at = *end;
      continue;
    }
    // Flags that are set on the way hold for the branches behind them, too.
    if (c == '(' && pattern.substr(at).starts_with("(?") && !pattern.substr(at).starts_with("(?:")) return {pattern};
    if (c == '(') ++depth;
    if (c == ')' && depth-- == 0) return {pattern};
    if (c == '|' && depth == 0) {
      out.push_back(pattern.substr(begin, at - begin));
      begin = at + 1;
    }
    ++at;
  }
  out.push_back(pattern.substr(begin));
  return depth == 0 ? out : std::vector<std::string_view>{pattern};
}

// Whether the expression can match a text that has no atom but those left out of `needed`.
bool passes_without(const re2::FilteredRE2& filter, const std::vector<std::string>& atoms,
                    const std::vector<char>& needed) {
  std::vector<int> there, potential;
  for (std::size_t i = 0; i < atoms.size(); ++i)
    if (needed[i] == 0) there.push_back(static_cast<int>(i));
  filter.AllPotentials(there, &potential);
  return !potential.empty();
}

// Of one alternative: some that must be in an ASCII text, of which one is enough; nothing when nothing must.
std::optional<std::vector<std::string>> atoms_of(const std::string& pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  re2::FilteredRE2 filter(kMinAtomBytes);
  int id = 0;
  if (filter.Add(pattern, options, &id) != RE2::NoError) return std::nullopt;
  std::vector<std::string> atoms;
  filter.Compile(&atoms);
  if (atoms.empty() || atoms.size() > kMaxAtoms) return std::nullopt;
  std::vector<char> needed(atoms.size(), 1);
  if (passes_without(filter, atoms, needed)) return std::nullopt;
  // The shortest are given up first.
  std::vector<std::size_t> order(atoms.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(atoms[i].size(), i); });
  for (const std::size_t i : order) {
    needed[i] = 0;
    if (passes_without(filter, atoms, needed)) needed[i] = 1;
  }
  std::vector<std::string> out;
  for (std::size_t i = 0; i < atoms.size(); ++i)
    if (needed[i] != 0) out.push_back(folded(atoms[i]));
  return out;
}

}  // namespace

// RE2's atoms are lower case by Unicode's rules, and so one of a letter beyond ASCII can be ASCII: of a text with such
// letters nothing is said.
Clues clues_of_regex(std::string_view pattern) {
  const std::size_t flags = flags_size(pattern);
  std::string_view body = pattern.substr(flags);
  if (body.starts_with("(?:") && body.ends_with(')') && branches_of(body.substr(3, body.size() - 4)).size() > 1)
    body = body.substr(3, body.size() - 4);
  const auto branches = branches_of(body);
  if (branches.size() > kMaxBranches) return {};
  Clues out{{}, false, true};
  for (const std::string_view branch : branches) {
    const bool is_plain = !branch.empty() && branch.find_first_of("\\^$.|?*+()[]{}") == std::string_view::npos &&
                          !is_perhaps_ascii(branch);
    if (is_plain && !is_all_ascii(branch)) continue;
    if (is_plain) {
      out.clues.push_back({folded(branch), false, false});
      continue;
    }
    const auto atoms = atoms_of(std::string(pattern.substr(0, flags)).append(branch));
    if (!atoms) return {};
    for (const std::string& atom : *atoms)
      if (is_all_ascii(atom)) out.clues.push_back({atom, false, false});
  }
  return out;
}

}  // namespace de::mirror
