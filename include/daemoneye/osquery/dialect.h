// Statements written for osquery, as statements for the agent's own SQL. osquery's tables become common table
// expressions in front of the statement, "texts" become 'texts'; everything else is SQLite there and here.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/osquery/statement.h"

namespace de::osquery {

// Around what is put in front of the statement, on the line it begins in: it was not written by who wrote the
// statement, and counts neither for its length nor for lines and columns.
constexpr std::string_view kPreambleBegin = "/*:{*/";
constexpr std::string_view kPreambleEnd = "/*}:*/";
constexpr std::size_t kMaxPreambleBytes = 8UL << 10;
// With its marks; empty where there is none.
std::string_view preamble_of(std::string_view sql);

// Errors: Invalid, naming every table that is not served, or the column (with line and column) that a table does not
// have or that is not collected.
Result<> check_names(const Named& named, std::string_view sql);

// Errors: those of look_at() and check_names().
Result<std::string> from_osquery(std::string_view sql);

}  // namespace de::osquery
