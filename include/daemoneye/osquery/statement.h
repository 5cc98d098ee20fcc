// What a statement names, found in its text: tables, columns, functions. The agent's own reader is SQLite, which has
// the last word; this one is for the console, which has none, and for messages in osquery's own names.
//
// Thread: any (values and pure functions).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/osquery/tokens.h"

namespace de::osquery {

struct TableUse {
  std::string name;         // As written, in lower case.
  std::string alias;        // What its columns are called by: the name when there is no other.
  std::size_t at = 0;       // In the statement.
  bool has_schema = false;  // "main.processes"
};

struct Named {
  std::vector<Token> tokens;
  std::vector<TableUse> tables;          // Without the statement's own.
  std::set<std::string> own_tables;      // WITH x AS (...), in lower case.
  std::set<std::string> leading_tables;  // Those of them that stand before the whole statement.
  std::set<std::string> aliases;         // Of columns and sub-selects, in lower case.
  std::set<std::string> functions;       // In lower case.
  bool combines_rows = false;            // More than a loop over one table, as far as its words tell.

  bool names(std::string_view table) const;
};

// Errors: those of read_tokens().
Result<Named> look_at(std::string_view sql);

}  // namespace de::osquery
