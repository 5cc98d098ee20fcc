// The SQL functions that are ours: safe stand-ins for built-ins that work for seconds inside one VM instruction (where
// no limit stops them), and what published detections need and SQLite lacks. docs: detection content, section 2.4.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include "daemoneye/base/result.h"

namespace de::mirror {

// The longest text or blob a session handles. Four times a row of the largest texts the mirror keeps, so that no
// process can make a rule fail by having long arguments; every allowed built-in is done with this in about 10 ms.
constexpr int kMaxValueBytes = 1 << 20;

// trim, ltrim, rtrim, instr, replace, concat, split, basename, dirname, cidr_match. Errors: Exhausted.
Result<> add_text_functions(sqlite3* db);
// regexp (the operator x REGEXP y), regex_match, regex_split.
Result<> add_regex_functions(sqlite3* db);

// Compiles without running. Errors: Invalid, with RE2's reason.
Result<> check_pattern(std::string_view pattern);

}  // namespace de::mirror
