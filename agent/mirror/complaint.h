// Turns SQLite's refusals into sentences that say what to do.
//
// Thread: any (pure functions).
#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "mirror/charge.h"
#include "mirror/session.h"

namespace de::mirror {

// The first word of the statement when it is one that never reads ("DROP", "PRAGMA", ...), upper case; else empty.
// For the wording only: what is refused is decided by SQLite.
std::string forbidden_verb(std::string_view sql);

// Of a prepare that failed. `refusal` is the gate's reason or empty.
Error complaint_at_prepare(sqlite3* db, std::string_view sql, const std::string& refusal, const Charge& charge,
                           const Budget& budget);
// Of a step that failed.
Error complaint_at_step(sqlite3* db, const std::string& refusal, const Charge& charge, const Budget& budget);

}  // namespace de::mirror
