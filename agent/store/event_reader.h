// Events of one day by constraint, in order of their time.
//
// Blocks lie in order of arrival and may overlap in time. Those that may hold something are merged: a block is opened
// when its first event may be the next one, and its rows are held until they were handed out. When too much is open,
// the block that is needed last is closed and opened again later.
//
// Thread: any; one reader per call.
#pragma once

#include <cstdint>

#include "store/day.h"
#include "store/store.h"

namespace de::store {

// The range of the filter is within the times that a store files. Only positions up to `upto` count.
Result<> find_events(const Day& day, const EventFilter& filter, std::uint64_t upto, const EventFn& fn,
                     ReadOutcome& outcome);

}  // namespace de::store
