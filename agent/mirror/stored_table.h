// `processes.events`, `processes.history`, `scans`, `alerts` and `traces` as SQLite sees them: virtual tables that read
// what the statement needs from a StoredSource.
//
// The modules are registered before the schema that names them is loaded. They push down the table's time (= < <= > >=)
// and what has an index in it (=); `processes.events` takes over ORDER BY event_time_ms as well. What they cannot
// compare as SQLite does (other types, other collations) they leave to SQLite, which checks every row again.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "mirror/stored_row.h"

namespace de::mirror {

// What all stored tables of one connection share. Outlives the connection.
class StoredTables {
 public:
  StoredTables() = default;
  StoredTables(const StoredTables&) = delete;
  StoredTables& operator=(const StoredTables&) = delete;

  struct Span {
    std::int64_t from_ms = 0;
    std::int64_t to_ms = 0;
    std::uint64_t rows = 0;   // That were handed to SQLite,
    std::uint64_t looks = 0;  // in so many readings.
    bool is_empty() const { return from_ms >= to_ms; }
  };

  const StoredSource* source = nullptr;                    // Null: there is nothing stored.
  std::int64_t from_ms = kNoStartMs;                       // Nothing older is seen, whatever a statement asks for;
  std::int64_t to_ms = kNoEndMs;                           // nothing of this time or newer either,
  std::shared_ptr<const std::set<std::string>> traces_of;  // and of no other rules' traces, where it is set.

  // Of the statement that ran since start():
  std::optional<Error> error;  // Why a step failed.
  void start();
  void saw(StoredTable table, Span times);
  // The times it looked at, all its readings together.
  Span seen(StoredTable table) const { return seen_[static_cast<std::size_t>(table)]; }

  struct Module {
    StoredTables* shared;
    StoredTable table;
  };
  const Module* module(StoredTable table) const { return &modules_[static_cast<std::size_t>(table)]; }

 private:
  std::array<Span, kStoredTables> seen_;
  const std::array<Module, kStoredTables> modules_ = {{{this, StoredTable::Events},
                                                       {this, StoredTable::History},
                                                       {this, StoredTable::Scans},
                                                       {this, StoredTable::Alerts},
                                                       {this, StoredTable::Traces}}};
};

// Without a source: the tables can be made, but have no rows.
const StoredTables& nothing_stored();

// Errors: Exhausted.
Result<> add_stored_modules(sqlite3* db, const StoredTables& tables);
// In the schema of that name, unless something else has the name there. Errors: Io, Exhausted.
Result<> create_stored_tables(sqlite3* db, std::string_view schema);
// A virtual table is connected when it is first named, which the gate would take for a change of the schema.
Result<> connect_stored_tables(sqlite3* db, std::string_view schema);

// Whether a plan of this table, as EXPLAIN shows it, reads from a certain time on only.
bool has_start(std::string_view plan);

}  // namespace de::mirror
