// Who started a process, and who started that one, as each was when it forked: kept as long as a descendant lives, so
// that neither the death of a parent nor a new parent takes it away.
//
// Thread: collector.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "collect/text_pool.h"

namespace de::collect {

// A chain is shared by all who descend from it. Bounded: a daemon that forks and ends for ever does not grow it.
constexpr std::uint32_t kMaxAncestors = 64;

struct Ancestor;
using Lineage = std::shared_ptr<const Ancestor>;  // The parent and everybody above it; null: nobody, or not known.

struct Ancestor {
  std::array<char, 16> uid{};
  std::uint32_t pid = 0;
  std::uint32_t depth = 1;  // How many are in the chain from here on.
  bool cut = false;         // There were more above it.
  TextPool::Ref name;
  TextPool::Ref executable_path;
  TextPool::Ref command_line;  // Joined by one space.
  Lineage parent;
};

// `newest` becomes the parent of what is above; a chain that gets too long loses its oldest half, which is marked.
Lineage extend(Ancestor newest, const Lineage& above);

// As in ProcessEvent.ancestry.
std::string serialise(const Lineage& lineage);

// For the chains that were asked for last: most processes have a sibling that was just there.
class LineageTexts {
 public:
  static constexpr std::size_t kKept = 64;
  // A serialised ProcessEvent of nothing but what it says about the parent, which is the first of the chain, and the
  // ancestors.
  const std::shared_ptr<const std::string>& of(const Lineage& lineage);

 private:
  struct Entry {
    Lineage lineage;  // Kept, so that no other chain can take its place in memory.
    std::shared_ptr<const std::string> text;
  };
  std::array<Entry, kKept> entries_;
};

}  // namespace de::collect
