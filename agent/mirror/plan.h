// What SQLite intends to do with a statement, read from its EXPLAIN output.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <string_view>

#include "daemoneye/base/result.h"
#include "mirror/session.h"

namespace de::mirror {

// The statement has passed the gate in each of these.

// Compiles every pattern that is a constant of the statement: at run time a bad one would be noticed only once a row
// reaches it. Fills stored_have_start. Errors: Invalid.
Result<> look_at_program(sqlite3* db, std::string_view sql, Statement& out);

// Fills plan and warnings. Errors: Invalid.
Result<> read_plan(sqlite3* db, std::string_view sql, Explanation& out);

}  // namespace de::mirror
