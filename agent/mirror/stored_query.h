// Between SQLite's constraints and a StoredQuery.
//
// A plan is a text with one letter an argument, in their order. Two are in front: the order ('A' oldest first, 'D'
// newest first, '-' does not matter), and for events what must be read of them ('a' and the number of parts). Behind a
// '~' are the rows that are expected. EXPLAIN shows it.
//
// Thread: any (pure functions).
#pragma once

#include <sqlite3.h>

#include <span>
#include <string>
#include <string_view>

#include "mirror/stored_source.h"

namespace de::mirror {

// What xBestIndex is for.
int plan_stored(StoredTable table, sqlite3_index_info* info);

// For a person: "looked up by name, event_time_ms from; newest first; about 40 rows".
std::string in_words(std::string_view plan);

// What xFilter is for; false when no row can satisfy the constraints.
bool read_constraints(std::string_view plan, std::span<sqlite3_value* const> arguments, StoredQuery& out);

}  // namespace de::mirror
