// Which statements can have something to say about an event: one pass over its texts instead of a run of each.
//
// Every statement comes with the literals of which some must be in the event (literals.h). One automaton looks for all
// of them at once; a statement is a candidate when each of its groups has been found. Statements without literals are
// always candidates, and so are those for which there is no room.
//
// Thread: one at a time, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mirror/literal_automaton.h"
#include "mirror/literals.h"

namespace de::mirror {

struct PrefilterSize {
  std::size_t statements = 0;
  std::size_t always = 0;   // That are candidates for every event; among them:
  std::size_t no_room = 0;  // Those whose literals were too many.
  std::size_t literals = 0;
  std::size_t bytes = 0;
};

class Prefilter {
 public:
  static constexpr std::size_t kMaxLiteralBytes = 500'000;  // 8 MB of states; 5,000 rules have about half of that.

  void clear() { *this = Prefilter(); }
  // Of the next statement, counted from 0.
  void add(const LiteralGroups& groups);
  // Once statements were added, before they are looked for.
  void build();

  // What must be looked at.
  std::span<const std::size_t> columns() const { return columns_; }
  // The statements that are candidates for every event.
  std::span<const std::uint32_t> always() const { return always_; }
  PrefilterSize size() const;

  // An event is looked at from start() to candidates(). A column that is NULL is left out; one that is no text is let
  // pass as if all that is looked for were in it.
  void start();
  void look_at(std::size_t column, std::string_view text);
  void let_pass(std::size_t column);
  // Without those of always(); each once, in no order.
  std::span<const std::uint32_t> candidates() const { return candidates_; }

 private:
  struct Use {
    std::uint16_t column = 0;
    std::uint8_t group = 0;  // Its bit.
    std::uint32_t statement = 0;
    friend auto operator<=>(const Use&, const Use&) = default;
  };

  void find(std::uint32_t literal, std::size_t column);
  void note(const Use& use);

  std::map<std::string, std::vector<Use>, std::less<>> literals_;
  std::size_t literal_bytes_ = 0;
  std::vector<std::uint8_t> groups_;  // Of each statement: the bits of those it has.
  std::vector<std::uint32_t> always_;
  std::size_t no_room_ = 0;

  LiteralAutomaton automaton_;
  std::vector<std::uint32_t> first_use_;  // Of each literal, and the end; among:
  std::vector<Use> uses_;
  std::vector<std::size_t> columns_;
  std::uint32_t beyond_ascii_ = 0;  // The literal that stands for it; behind all of them when nobody asks.

  std::vector<std::uint8_t> found_;  // Of each statement: the groups found in this event.
  std::vector<std::uint32_t> touched_, candidates_;
  std::vector<std::uint64_t> seen_;  // Of each literal: the text in which it was found last.
  std::uint64_t text_ = 0;
};

}  // namespace de::mirror
