// Life records of one day by pid, parent, name or hash.
//
// Thread: any; one reader per thread.
#pragma once

#include <cstdint>

#include "store/day.h"
#include "store/scan_reader.h"

namespace de::store {

// Invalid unless exactly one field of the filter is set.
Result<> check(const LifeFilter& filter);
// Whether the index of the day has anybody like that; it may have when nobody was.
Result<bool> knows_life(const Day& day, const LifeFilter& filter);
Result<> read_lives(const Day& day, const LifeFilter& filter, std::uint64_t from_ms, std::uint64_t to_ms,
                    const LifeFn& fn, ReadOutcome& outcome);

}  // namespace de::store
