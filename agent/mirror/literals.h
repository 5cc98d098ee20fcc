// Which literals must be in an event so that a statement can have a row about it.
//
// The statement's own program is looked at, not its text: every way from the beginning of a turn of its loop to a row
// goes along some edges that are taken only when a column has one of a few literals. Edges without which no row can be
// reached make a cut, and of an event that has none of their literals nothing can be said.
//
// Thread: any (pure).
#pragma once

#include <vector>

#include "mirror/batch_table.h"
#include "mirror/literal.h"
#include "mirror/program.h"

namespace de::mirror {

// Each group is a cut of its own: of each, one literal must be there. Without a group the statement must be asked of
// every event; a group without literals never lets a row come about.
using LiteralGroups = std::vector<std::vector<Literal>>;
constexpr std::size_t kMaxLiteralGroups = 3;

LiteralGroups find_literals(const Program& program, BatchKind kind);

}  // namespace de::mirror
