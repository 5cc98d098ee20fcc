// Which literals must be in an event so that a statement can have a row about it.
//
// The statement's own program is looked at, not its text: every way from the beginning of a turn of its loop to a row
// goes along some edges that are taken only when a column has one of a few literals. Edges without which no row can be
// reached make a cut, and of an event that has none of their literals nothing can be said.
//
// Thread: one.
#pragma once

#include <functional>
#include <vector>

#include "mirror/batch_table.h"
#include "mirror/literal.h"
#include "mirror/program.h"
#include "mirror/register_values.h"

namespace de::mirror {

// Each group is a cut of its own: of each, one literal must be there. Without a group the statement must be asked of
// every event; a group without literals never lets a row come about.
using LiteralGroups = std::vector<std::vector<Literal>>;
constexpr std::size_t kMaxLiteralGroups = 3;

class LiteralSearch {
 public:
  // The program outlives it.
  LiteralSearch(const Program& program, BatchKind kind) : program_(program), values_(program, kind) {}

  LiteralGroups groups();
  // False: there is no way to a row on which each edge needs nothing, or a literal that is possible.
  bool can_match(const std::function<bool(const Literal&)>& is_possible);

 private:
  const Program& program_;
  RegisterValues values_;
};

}  // namespace de::mirror
