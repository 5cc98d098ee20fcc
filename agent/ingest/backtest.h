// A rule over what is stored: what would it have said, and how often?
//
// It is asked as it would have been: over the events in the order in which they happened, over every snapshot as it
// was, and what it looks back at ends where the snapshot was taken. Nothing is stored, no alert is raised.
//
// Thread: any; works until it is done, out of time, or nobody wants to know any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemoneye/alert.pb.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "detect/rule.h"
#include "mirror/session.h"
#include "mirror/stored_source.h"
#include "store/store.h"

namespace de::ingest {

struct BacktestOptions {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;             // Half open.
  mirror::Budget budget;              // Of one run of the rule.
  std::int64_t time_ms = 0;           // Of all of it.
  std::uint32_t dedup_seconds = 300;  // When the rule does not say.
  const std::atomic<bool>* is_unwanted = nullptr;
  const mirror::HostSource* host_source = nullptr;  // As it is now; null: the rule sees no host.
};

struct BacktestMatch {
  std::int64_t time_ms = 0;
  pb::Alert alert;  // As it would have been raised.
};

struct Backtest {
  static constexpr std::size_t kSamples = 10;
  static constexpr std::size_t kMaxFolded = 50'000;  // Matches that are told from each other.

  std::uint64_t events = 0;               // Looked at.
  std::uint64_t snapshots = 0;            // Likewise.
  std::optional<std::int64_t> oldest_ms;  // Of these.
  std::uint64_t matches = 0;
  std::uint64_t alerts = 0;      // What is left of them after folding.
  bool alerts_at_least = false;  // There were too many to tell them apart.
  std::optional<std::int64_t> first_ms;
  std::optional<std::int64_t> last_ms;
  std::vector<BacktestMatch> samples;  // The first that would have been alerts.
  std::vector<pb::Reason> reasons;     // Why it may not be the whole truth.
};

// Errors: Invalid (the rule cannot be run), Cancelled, those of the store. Out of time is one of the reasons.
Result<Backtest> backtest(const store::Store& store, const mirror::StoredSource& stored, const detect::Rule& rule,
                          const BacktestOptions& options, const Clock& clock);

}  // namespace de::ingest
