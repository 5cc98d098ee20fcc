// `processes.events` as SQLite sees it: a virtual table that reads what the statement needs from an EventSource.
//
// The module is registered before the schema that names it is loaded. It pushes down event_time_ms (= < <= > >=), pid,
// ppid, process_uid, name, executable_hash and event_type (=), and takes over ORDER BY event_time_ms. What it cannot
// compare as SQLite does (other types, other collations) it leaves to SQLite, which checks every row again.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "mirror/event_source.h"

namespace de::mirror {

constexpr const char* kEventModule = "de_events";
constexpr std::string_view kEventTable = "events";

// What all event tables of one connection share. Outlives the connection.
struct EventTables {
  const EventSource* source = nullptr;  // Null: there are no events.
  std::int64_t from_ms = kNoStartMs;    // Nothing older is seen, whatever a statement asks for.

  // Of the statement that ran since start():
  std::optional<Error> error;     // Why a step failed.
  std::int64_t seen_from_ms = 0;  // The times it looked at; empty when from == to.
  std::int64_t seen_to_ms = 0;

  void start();
  void saw(std::int64_t from_ms, std::int64_t to_ms);
};

// Without `tables` the table can be made, but not read. Errors: Exhausted.
Result<> add_event_module(sqlite3* db, EventTables* tables);

// Whether a plan of this table, as EXPLAIN shows it, reads from a certain time on only.
bool has_start(std::string_view plan);

}  // namespace de::mirror
