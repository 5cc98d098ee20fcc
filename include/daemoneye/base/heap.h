// How long-running programs treat memory. A snapshot needs many times what is left of it; without this the rest of the
// interval would be spent holding what nobody uses.
//
// Thread: any.
#pragma once

namespace de {

// Few arenas, and large blocks straight from the system. Once, before any thread.
void keep_heap_small();

// Gives every free page back, those between used blocks too. About a millisecond after a large snapshot.
void give_back_free_memory();

}  // namespace de
