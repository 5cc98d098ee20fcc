#include "mirror/prefilter.h"

#include <algorithm>
#include <set>

namespace de::mirror {

void Prefilter::add(const LiteralGroups& groups) {
  const auto statement = static_cast<std::uint32_t>(groups_.size());
  groups_.push_back(0);
  std::size_t more_bytes = 0;
  for (const auto& group : groups)
    for (const Literal& literal : group)
      if (!literals_.contains(literal.text)) more_bytes += literal.text.size();
  const bool has_room = literal_bytes_ + more_bytes <= kMaxLiteralBytes;
  if (!has_room) ++no_room_;
  if (!has_room || groups.empty()) return always_.push_back(statement);
  literal_bytes_ += more_bytes;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto bit = static_cast<std::uint8_t>(1U << i);
    groups_.back() = static_cast<std::uint8_t>(groups_.back() | bit);
    for (const Literal& literal : groups[i])
      literals_[literal.text].push_back({static_cast<std::uint16_t>(literal.column), bit, statement});
  }
}

void Prefilter::build() {
  std::vector<std::string_view> texts;
  std::set<std::size_t> columns;
  first_use_.clear();
  uses_.clear();
  beyond_ascii_ = static_cast<std::uint32_t>(literals_.size());
  for (auto& [text, uses] : literals_) {
    if (text == std::string_view(&kBeyondAscii, 1)) beyond_ascii_ = static_cast<std::uint32_t>(texts.size());
    texts.push_back(text);
    std::ranges::sort(uses);
    first_use_.push_back(static_cast<std::uint32_t>(uses_.size()));
    uses_.insert(uses_.end(), uses.begin(), uses.end());
    for (const Use& use : uses) columns.insert(use.column);
  }
  first_use_.push_back(static_cast<std::uint32_t>(uses_.size()));
  columns_.assign(columns.begin(), columns.end());
  automaton_ = LiteralAutomaton(texts);
  found_.assign(groups_.size(), 0);
  touched_.clear();
  candidates_.clear();
  seen_.assign(texts.size(), 0);
}

PrefilterSize Prefilter::size() const {
  PrefilterSize out{groups_.size(), always_.size(), no_room_, literals_.size(), automaton_.bytes()};
  constexpr std::size_t kNodeBytes = 112;  // Of a literal in the map, with its text.
  out.bytes += literals_.size() * (kNodeBytes + sizeof(std::uint64_t)) + 2 * uses_.size() * sizeof(Use);
  return out;
}

void Prefilter::start() {
  for (const std::uint32_t statement : touched_) found_[statement] = 0;
  touched_.clear();
  candidates_.clear();
}

void Prefilter::look_at(std::size_t column, std::string_view text) {
  ++text_;
  automaton_.scan(text, [&](std::uint32_t literal) { find(literal, column); });
  const bool is_ascii = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!is_ascii && beyond_ascii_ < seen_.size()) find(beyond_ascii_, column);
}

void Prefilter::let_pass(std::size_t column) {
  for (const Use& use : uses_)
    if (use.column == column) note(use);
}

void Prefilter::find(std::uint32_t literal, std::size_t column) {
  if (seen_[literal] == text_) return;
  seen_[literal] = text_;
  for (std::uint32_t i = first_use_[literal]; i < first_use_[literal + 1]; ++i)
    if (uses_[i].column == column) note(uses_[i]);
}

void Prefilter::note(const Use& use) {
  std::uint8_t& found = found_[use.statement];
  const auto before = found;
  if (before == 0) touched_.push_back(use.statement);
  found = static_cast<std::uint8_t>(found | use.group);
  if (found == groups_[use.statement] && before != found) candidates_.push_back(use.statement);
}

}  // namespace de::mirror
