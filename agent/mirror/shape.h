// What kind of question a statement is: whether it can be asked of new events one by one.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "mirror/gate.h"

namespace de::mirror {

struct Shape {
  // Its answer over two sets of rows is the answers over each, put together: one table, named once, no aggregate, no
  // window, no LIMIT, no sub-select.
  bool row_wise = false;
  std::string why_not;  // "it combines several rows"
  bool reads_processes = false;
  bool reads_events = false;
  bool aggregates = false;
  bool gathers = false;    // ORDER BY or DISTINCT: the rows come after all of them were read.
  bool has_clock = false;  // Asked again, it may answer otherwise.
};

// Of a statement that has just passed `gate`, on a connection with batch tables. Errors: Invalid.
Result<Shape> look_at_shape(sqlite3* db, std::string_view sql, Gate& gate);

}  // namespace de::mirror
