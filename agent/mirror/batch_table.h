// `processes` and `processes.events` over a few events in memory: nothing is copied into SQLite.
//
// `processes` has a row for every event but exits: the process as the event describes it. scan_id is NULL there, and
// collection_time_ms the time of the event.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "mirror/event_source.h"

namespace de::mirror {

constexpr const char* kBatchModule = "de_batch";
enum class BatchKind : std::uint8_t { Processes, Events };

// What a row must have for a statement to look at it further: in each column one of the values.
struct Wanted {
  char column = '\0';                 // 'n' name, 'e' executable_path, 't' event_type, 'p' pid.
  std::vector<std::string> texts;     // Sorted.
  std::vector<std::int64_t> numbers;  // Sorted.
};
using Need = std::vector<Wanted>;

// What the batch tables of one connection share. Outlives the connection.
class Batch {
 public:
  // Borrowed until the next call.
  void load(std::span<const EventRow> events);
  // Only this one of the loaded from now on; nothing: all.
  void look_at(std::optional<std::size_t> event) { only_ = event; }

  std::size_t size() const { return events_.size(); }
  const EventRow& at(std::size_t index) const { return events_[index]; }
  bool has_row(BatchKind kind, std::size_t index) const;
  // Joined once, however many statements ask.
  std::string_view command_line(std::size_t index);
  bool satisfies(const Need& need, std::size_t index) const;

  std::size_t current = 0;               // Where the cursor that moved last stands.
  std::vector<Need>* capture = nullptr;  // Set: what each reading asks for is noted here.

 private:
  std::span<const EventRow> events_;
  std::optional<std::size_t> only_;
  std::vector<std::optional<std::string>> command_lines_;
};

// Errors: Exhausted.
Result<> add_batch_module(sqlite3* db, Batch& batch);
// The tables, in the attached schema `processes`. Errors: Io, Exhausted.
Result<> create_batch_tables(sqlite3* db);

}  // namespace de::mirror
