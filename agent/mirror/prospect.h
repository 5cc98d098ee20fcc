// Whether a statement can ever have a row about an event of this host.
//
// Thread: one.
#pragma once

#include <cstdint>

#include "mirror/literals.h"

namespace de::mirror {

enum class Prospect : std::uint8_t {
  Open,              // It can, or nothing is known of it.
  NeedsEnvironment,  // Only where the environment of processes is collected.
  None,              // Its conditions exclude each other, or ask for a word that the column never has.
};

Prospect find_prospect(LiteralSearch& search);

}  // namespace de::mirror
