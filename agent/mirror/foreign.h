// Tables that collectors tell besides those of `processes`: what each of them had at its last telling, in memory. What
// was before is not kept.
//
// Thread: any (immutable once shared).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemoneye/schema/table.h"

namespace de::mirror {

constexpr std::size_t kMaxNamespaces = 8;  // SQLite attaches ten databases, and has one for `processes`.

struct ForeignColumn {
  std::string name;
  schema::SqlType type = schema::SqlType::Text;
  std::string unit;
  std::string help;

  friend bool operator==(const ForeignColumn&, const ForeignColumn&) = default;
};

struct ForeignInfo {
  std::string name;  // "network.connections": two names of a-z, 0-9 and _, fit to be written into SQL as they are.
  std::string collector;
  std::string help;
  std::vector<ForeignColumn> columns;
  std::optional<std::size_t> key;  // The column by which rows are found without looking at all of them.
  std::vector<std::string> joins;  // "pid = processes.pid"

  std::string_view space() const { return std::string_view(name).substr(0, name.find('.')); }
  std::string_view bare() const { return std::string_view(name).substr(name.find('.') + 1); }
  friend bool operator==(const ForeignInfo&, const ForeignInfo&) = default;
};

using ForeignRow = std::vector<schema::Cell>;  // One value for each column, owned.

struct ForeignRows {
  std::int64_t time_ms = 0;
  std::uint64_t bytes = 0;
  std::vector<ForeignRow> rows;
  std::unordered_multimap<std::string, std::size_t> by_key;  // Of key_text(); NULL is in no place.

  // Fills by_key.
  void index(std::size_t key);
};

// The same for equal values of one type, and for no others; empty for NULL.
std::string key_text(const schema::Cell& value);

struct ForeignTable {
  std::shared_ptr<const ForeignInfo> info;
  std::shared_ptr<const ForeignRows> rows;  // Null: nothing has been told yet.
};

// Was told by a collector that is not here now.
struct GoneTable {
  std::string name;
  std::string collector;
  std::int64_t since_ms = 0;
};

struct ForeignTables {
  std::uint64_t generation = 0;      // Another one when there are other tables, or other columns of them.
  std::vector<ForeignTable> tables;  // By name.
  std::vector<GoneTable> gone;
  std::vector<std::string> on_demand;  // Columns of `processes` that are not in every snapshot.
  std::vector<std::string> untold;     // "processes.environment": columns of ours that no collector tells.

  const ForeignTable* find(std::string_view name) const;
  const GoneTable* find_gone(std::string_view name) const;
  bool is_untold(std::string_view column) const;
};

}  // namespace de::mirror
