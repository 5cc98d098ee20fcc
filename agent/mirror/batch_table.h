// `processes` and `processes.events` over a few events in memory: nothing is copied into SQLite.
//
// `processes` has a row for every event but exits: the process as the event describes it. scan_id is NULL there, and
// collection_time_ms the time of the event.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "mirror/event_row.h"
#include "mirror/misses.h"

namespace de::mirror {

constexpr const char* kBatchModule = "de_batch";
enum class BatchKind : std::uint8_t { Processes, Events };

// The place of a table's column among schema::event_columns(); beyond them it is one of the table's own.
std::size_t event_column(BatchKind kind, int column);

// What the batch tables of one connection share. Outlives the connection.
class Batch {
 public:
  // Borrowed until the next call.
  void load(std::span<const EventRow> events);
  // Those that the tables show from now on, by place, in order; all of them after load().
  void show(std::span<const std::uint32_t> events) { shown_.assign(events.begin(), events.end()); }
  std::span<const std::uint32_t> shown() const { return shown_; }

  std::size_t size() const { return events_.size(); }
  const EventRow& at(std::size_t index) const { return events_[index]; }
  bool has_row(BatchKind kind, std::size_t index) const;
  // Joined once, however many statements ask.
  std::string_view command_line(std::size_t index);
  // Of each event, what was read of it since start_reading().
  void start_reading() { std::ranges::fill(read_, EventColumns()); }
  const EventColumns& read(std::size_t index) const { return read_[index]; }
  void note_read(std::size_t index, std::size_t column) { read_[index].set(column); }

  std::size_t current = 0;  // Where the cursor that moved last stands.

 private:
  std::span<const EventRow> events_;
  std::vector<std::uint32_t> shown_;
  std::vector<EventColumns> read_;
  std::vector<std::optional<std::string>> command_lines_;
};

// Errors: Exhausted.
Result<> add_batch_module(sqlite3* db, Batch& batch);
// The tables, in the attached schema `processes`. Errors: Io, Exhausted.
Result<> create_batch_tables(sqlite3* db);

}  // namespace de::mirror
