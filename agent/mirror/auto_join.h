// AUTO JOIN, which SQLite does not know: a join with a table whose rows are read from processes at that moment.
//
//   FROM processes.events e AUTO JOIN processes.open_files f ON f.pid = e.pid WHEN e.name = 'nc' WHERE f.path LIKE ...
//
// is, for SQLite, FROM processes.events e JOIN processes.open_files f ON (f.pid = e.pid) AND (e.name = 'nc') WHERE ...
// What WHEN says decides for which rows anything is read at all.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::mirror {

struct AutoJoin {
  std::string sql;                  // For SQLite.
  std::vector<std::string> tables;  // That are joined so, as schema::tables() names them; empty: it has no AUTO JOIN.
  // A statement over the first table alone whose rows are those that something is read for; empty where a join has no
  // WHEN, or the first table is not directly in front of it.
  std::string trigger;
};

// Errors: Invalid (no ON, a table that is not live, with line and column; those of osquery::read_tokens).
Result<AutoJoin> rewrite_auto_joins(std::string_view sql);

}  // namespace de::mirror
