// One event taken apart: numbers that a column packs well, and texts that repeat from event to event.
//
// Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "store/keys.h"

namespace de::store {

// Serialized fields of the event or its process that tend to repeat together.
enum class Text : std::uint8_t {
  Image,      // Name and executable.
  Owner,      // User, namespaces, limits, everything of the process that has no other place, unknown fields too.
  Job,        // Session, process group, terminal.
  Command,    // Arguments and environment.
  Metrics,    // What the process used.
  Parent,     // The parent as it was then.
  Ancestry,   // The parents of the parent.
  Rest,       // Everything of the event that has no other place, unknown fields too.
  Collector,  // Its name as it is, not a field.
};
constexpr std::size_t kTextCount = 9;

// Who a process is: the same in all its events.
struct Life {
  std::uint64_t pid = 0;
  std::optional<std::uint64_t> ppid;
  std::optional<std::uint64_t> start_ms;
  std::optional<std::uint64_t> pidfs;
  std::string_view uid;         // 16 bytes or none: one of another length stays with the owner.
  std::string_view parent_uid;  // Likewise.
};

// Numbers as the bits that protobuf writes.
struct EventNumbers {
  std::uint64_t type = 0;
  std::uint64_t time_ms = 0;
  std::uint64_t sequence = 0;
  std::optional<std::uint64_t> boot_ns;
  std::optional<std::uint64_t> duration_ms;
  std::optional<std::uint64_t> exit_code;
  std::optional<std::uint64_t> exit_signal;
  bool has_process = false;
  Life life;
  std::uint64_t collection_ms = 0;
  std::uint64_t exec_seq = 0;
};

struct EventParts : EventNumbers {
  std::array<std::string, kTextCount> text;

  std::string& of(Text which) { return text[static_cast<std::size_t>(which)]; }
};

// `parts` borrows from `serialized`. Corrupt when that is not protobuf wire format.
Result<> take_apart(std::string_view serialized, std::string_view collector, EventParts& parts);

// The serialized event again, its fields in another order.
void put_together(const EventNumbers& parts, const std::array<std::string_view, kTextCount>& text, std::string& process,
                  std::string& event);

}  // namespace de::store
