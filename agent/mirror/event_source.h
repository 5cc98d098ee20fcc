// Where the rows of `processes.events` come from. The mirror only knows what it asks for; the store is behind it.
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

#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "daemoneye/process.pb.h"
#include "daemoneye/schema/table.h"

namespace de::mirror {

constexpr std::int64_t kNoStartMs = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kNoEndMs = std::numeric_limits<std::int64_t>::max();

// What is set must hold, all of it. An answer may contain more, as long as it is in order: SQLite checks every row.
struct EventQuery {
  std::int64_t from_ms = kNoStartMs;
  std::int64_t to_ms = kNoEndMs;  // Half open.
  std::optional<std::uint32_t> pid;
  std::optional<std::uint32_t> ppid;
  std::optional<pb::EventType> type;
  std::string process_uid;  // 16 raw bytes.
  std::string name;
  std::string executable_hash;
  bool newest_first = false;

  friend bool operator==(const EventQuery&, const EventQuery&) = default;
};

// Borrowed. With `cells`, one for each column of the table, the other two are not looked at.
struct EventRow {
  std::string_view collector;
  const pb::ProcessEvent* event = nullptr;
  std::span<const schema::Cell> cells = {};
};

// The next rows by event_time_ms, none at the end; what was handed out before may be gone then. Errors: Timeout (the
// charge of this thread is late), those of the source.
using NextEvents = std::function<Result<std::span<const EventRow>>()>;

class EventSource {
 public:
  virtual ~EventSource() = default;
  // Must not hold anything the rest of the agent waits for while the caller thinks about a page.
  virtual NextEvents read(const EventQuery& query) const = 0;
  // Why the events of [from_ms, to_ms) may be incomplete. Errors: those of the source.
  virtual Result<std::vector<pb::Reason>> missing(std::int64_t from_ms, std::int64_t to_ms) const = 0;
};

}  // namespace de::mirror
