// What a test of a rule says of tables of other collectors, as such tables.
//
// Thread: any (pure functions).
#pragma once

#include <memory>

#include "detect/rule.h"
#include "mirror/foreign.h"
#include "mirror/live.h"

namespace de::detect {

// The tables that `test` has rows of and all others that are `known`, those without rows. Columns are those that are
// known; of a table that nobody knows, those that any of its rows has. Errors: Invalid (no such column, wrong type).
Result<std::shared_ptr<const mirror::ForeignTables>> tables_of(const RuleTest& test, const mirror::ForeignTables* known,
                                                               std::uint64_t generation);

// What it says of live tables. Errors: the same.
Result<std::shared_ptr<const mirror::LiveRows>> live_rows_of(const RuleTest& test);

}  // namespace de::detect
