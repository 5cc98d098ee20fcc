// osquery's tables as far as this product has their rows: each is a SELECT over a table of our own. Names, order and
// types of columns are osquery's for Linux.
//
// Thread: any (immutable).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace de::osquery {

struct ViewColumn {
  std::string_view name;
  std::string_view sql;  // Empty: it is not collected, and NULL for who asks for all columns.
};

struct View {
  std::string_view name;
  std::string_view from;  // What follows the columns: "FROM ... WHERE ...".
  bool is_materialized;   // Else SQLite looks through it, down to the indexes.
  std::span<const ViewColumn> columns;

  const ViewColumn* find(std::string_view column) const;
};

// Those that are views; the others that are served have osquery's names and columns in our own schema.
std::span<const View> views();
const View* find_view(std::string_view table);
// The table of ours behind a view whose rows are read from processes each time; empty for others.
std::string_view live_table_of(std::string_view table);
// "processes AS NOT MATERIALIZED (SELECT ...)"
std::string view_sql(const View& view);

// Null when there is no such table here.
struct ServedTable {
  std::string_view name;
  std::vector<std::string_view> columns;
  std::vector<std::string_view> not_collected;
};
const ServedTable* find_served(std::string_view table);
std::span<const ServedTable> served();

// Why the table is not served: "sockets are not collected".
std::string_view why_not_served(std::string_view table);

}  // namespace de::osquery
