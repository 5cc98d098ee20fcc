// Turns the rows a rule matched into alerts: one per row, with the identity and the ancestors of its process.
//
// Thread: the thread that owns the Session behind `lineage`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "alert/lineage.h"
#include "daemoneye/alert.pb.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "detect/rule.h"
#include "detect/runner.h"

namespace de::alert {

constexpr std::size_t kMaxValueBytes = 16UL * 1024;  // Of one text or blob in an alert.
constexpr std::size_t kMaxDataBytes = 256UL * 1024;  // Of all of them in one alert.
constexpr std::size_t kMaxAffected = 1'000;          // Process ids named by a summary.

struct Context {
  std::optional<std::uint64_t> scan_id;
  std::int64_t scan_time_ms = 0;  // When what matched was seen; 0: now.
  pb::Completeness completeness;  // Of the data the rule ran over.
  std::string host;
  std::uint64_t generation = 0;  // Of the rule book.
  std::string correlation_id;    // One per rule run; empty: a fresh one.
  std::size_t max_alerts_per_run = 100;
  // Of a run over new events: those that Matches::events counts.
  std::span<const mirror::EventRow> events;
};

// At most max_alerts_per_run alerts, then one more that summarises the rows beyond (its process_count and count say
// how many, its text says that they were not listed). All of them share a correlation id, have no sequence yet and
// count 1 for themselves. A process that is not in the snapshot any more is described by its row alone.
//
// Nothing here loses an alert: if the ancestors cannot be looked up, the alert says so in its completeness.
std::vector<pb::Alert> raise(const detect::Rule& rule, const detect::Matches& matches, const Context& context,
                             Lineage& lineage, const Clock& clock);

}  // namespace de::alert
