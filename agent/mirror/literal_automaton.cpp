#include "mirror/literal_automaton.h"

namespace de::mirror {
namespace {

std::size_t index_of(char symbol) { return static_cast<unsigned char>(symbol); }

}  // namespace

// The literals that share a beginning stand next to each other: a state is a run of them, and their next symbols divide
// it into its children.
void LiteralAutomaton::build(std::span<const std::string_view> literals) {
  struct Run {
    std::size_t begin, end, depth;
  };
  std::vector<Run> runs = {{0, literals.size(), 0}};
  symbol_ = {'\0'};
  for (std::size_t state = 0; state < runs.size(); ++state) {
    const Run run = runs[state];
    first_child_.push_back(static_cast<std::uint32_t>(runs.size()));
    std::size_t at = run.begin;
    literal_.push_back(kNone);
    if (at < run.end && literals[at].size() == run.depth) literal_.back() = static_cast<std::uint32_t>(at++);
    while (at < run.end) {
      const char symbol = literals[at][run.depth];
      std::size_t end = at;
      while (end < run.end && literals[end][run.depth] == symbol) ++end;
      runs.push_back({at, end, run.depth + 1});
      symbol_.push_back(symbol);
      at = end;
    }
  }
  first_child_.push_back(static_cast<std::uint32_t>(runs.size()));
  link_states();
}

void LiteralAutomaton::link_states() {
  fail_.assign(symbol_.size(), 0);
  shorter_.assign(symbol_.size(), kNone);
  root_.fill(0);
  for (std::uint32_t state = first_child_[0]; state < first_child_[1]; ++state) root_[index_of(symbol_[state])] = state;
  for (std::uint32_t parent = 0; parent < symbol_.size(); ++parent) {
    for (std::uint32_t state = first_child_[parent]; state < first_child_[parent + 1]; ++state) {
      fail_[state] = parent == 0 ? 0 : step(fail_[parent], symbol_[state]);
      shorter_[state] = literal_[fail_[state]] != kNone ? fail_[state] : shorter_[fail_[state]];
    }
  }
}

std::size_t LiteralAutomaton::bytes() const { return symbol_.size() * kStateBytes + sizeof root_; }

}  // namespace de::mirror
