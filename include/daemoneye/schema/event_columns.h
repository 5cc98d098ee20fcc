// The columns of `processes.events` (also called `events`): what happened, and every column of the process it happened
// to, as it was then. Where an event came from (`collector`) is not part of its message: the last column, without a
// getter here.
//
// Thread: any (immutable).
#pragma once

#include <cstdint>
#include <span>

#include "daemoneye/process.pb.h"
#include "daemoneye/schema/table.h"

namespace de::schema {

// Those of the event first, then those of process_columns() in their order.
std::span<const Column<pb::ProcessEvent>> event_columns();

constexpr ColumnInfo kCollectorColumn = {"collector", SqlType::Text, Unit::None, false,
                                         "The collector that reported the event"};

// "start", "exec", "exit", "modified", "suspicious"; EVENT_TYPE_UNKNOWN is "unknown".
std::string_view to_text(pb::EventType type);
// EVENT_TYPE_UNKNOWN when there is no such type.
pb::EventType parse_event_type(std::string_view text);

// What of a stored event must be read to show a column. Its times, type and sequence always are.
using EventParts = std::uint8_t;
constexpr EventParts kNumbersPart = 1;  // How it ended, how long it took.
constexpr EventParts kWhoPart = 2;      // pid, ppid, process_uid.
constexpr EventParts kImagePart = 4;    // Name and executable.
constexpr EventParts kTextsPart = 8;    // Everything else.
constexpr EventParts kAllParts = 15;
EventParts parts_of(std::string_view column);

// The texts that a column of events can have, when there are no others; empty for all other columns.
std::span<const std::string_view> words_of(std::string_view column);

// The 16 bytes behind uid_text(); empty when `text` is not exactly of that form.
std::string uid_bytes(std::string_view text);

}  // namespace de::schema
