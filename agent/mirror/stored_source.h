// Where the rows of the tables come from that are stored. The mirror only knows what it asks for; the store is behind
// it.
//
// Thread: that of the session that asks.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/alert.pb.h"
#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "daemoneye/process.pb.h"
#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/scan_columns.h"
#include "daemoneye/schema/table.h"
#include "daemoneye/schema/trace_columns.h"

namespace de::mirror {

enum class StoredTable : std::uint8_t { Events, History, Scans, Alerts, Traces };
constexpr std::size_t kStoredTables = 5;

constexpr std::int64_t kNoStartMs = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kNoEndMs = std::numeric_limits<std::int64_t>::max();

// What is set must hold, all of it. An answer may contain more, as long as it is in order: SQLite checks every row.
// Each table has some of it only, as `schema` tells.
struct StoredQuery {
  StoredTable table = StoredTable::Events;
  std::int64_t from_ms = kNoStartMs;
  std::int64_t to_ms = kNoEndMs;  // Half open.
  std::optional<std::uint32_t> pid;
  std::optional<std::uint32_t> ppid;
  std::optional<pb::EventType> type;
  std::optional<std::uint64_t> scan_id;
  std::string process_uid;  // 16 raw bytes; anything else: a text that is no uid.
  std::string name;
  std::string executable_hash;
  std::string rule_id;
  bool newest_first = false;                     // Events only.
  schema::EventParts parts = schema::kAllParts;  // Events only: no column is looked at that needs others.

  friend bool operator==(const StoredQuery&, const StoredQuery&) = default;
};

// Borrowed. Which of it is set depends on the table: an event, a process with its scan, a scan, an alert, a row of a
// trace. With `cells`, one for each column of the table, nothing else is looked at.
struct StoredRow {
  std::string_view collector;  // Of an event.
  const pb::ProcessEvent* event = nullptr;
  const pb::ProcessRecord* process = nullptr;
  const schema::ScanRow* scan = nullptr;
  const pb::Alert* alert = nullptr;
  const schema::TraceRow* trace = nullptr;
  std::span<const schema::Cell> cells = {};
};

// The next rows, none at the end; events come by time. What was handed out before may be gone then. Errors: Timeout
// (the charge of this thread is late), those of the source.
using NextRows = std::function<Result<std::span<const StoredRow>>()>;

class StoredSource {
 public:
  virtual ~StoredSource() = default;
  // Must not hold anything the rest of the agent waits for while the caller thinks about a page.
  virtual NextRows read(const StoredQuery& query) const = 0;
  // Why what [from_ms, to_ms) has in this table may be incomplete. Errors: those of the source.
  virtual Result<std::vector<pb::Reason>> missing(StoredTable table, std::int64_t from_ms,
                                                  std::int64_t to_ms) const = 0;
};

}  // namespace de::mirror
