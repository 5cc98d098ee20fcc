// Alerts, their dedupe windows and their deliveries, in the state environment.
//
// Thread: writer for put and mark, any for the rest.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/clock.h"
#include "store/state.h"
#include "store/store.h"

namespace de::store {

constexpr std::size_t kMaxSinkBytes = 64;  // Of a sink's name.

// The stored form of a dedupe window; here for the fuzzer.
struct DedupeMark {
  std::uint64_t alert_sequence = 0;
  std::int64_t stored_ms = 0;
};
Result<DedupeMark> decode_dedupe(std::string_view payload);

class AlertLog {
 public:
  AlertLog(const State& state, std::uint32_t max_alerts, const Clock& clock)
      : state_(state), max_alerts_(max_alerts), clock_(clock) {}

  Result<AlertOutcome> put(pb::Alert& alert, std::span<const std::string> sinks, std::int64_t dedupe_window_ms);
  Result<std::vector<pb::Alert>> list(const AlertFilter& filter) const;
  Result<pb::Alert> find(std::string_view id) const;
  Result<std::vector<PendingDelivery>> pending(std::string_view sink, std::size_t max) const;
  Result<std::vector<pb::Delivery>> deliveries(std::uint64_t alert_sequence) const;
  Result<> mark_delivered(std::string_view sink, std::uint64_t alert_sequence);
  Result<> mark_attempt(std::string_view sink, std::uint64_t alert_sequence, std::string_view error);

 private:
  Result<std::optional<pb::Alert>> folded_into(Txn& txn, const pb::Alert& alert, std::int64_t window_ms) const;
  Result<> fold(Txn& txn, pb::Alert& existing, const pb::Alert& alert) const;
  Result<> insert(Txn& txn, pb::Alert& alert, std::span<const std::string> sinks);
  Result<> make_room(Txn& txn, StateCounts& counts) const;
  Result<bool> is_delivered(const Txn& txn, std::uint64_t sequence) const;
  Result<> erase_alert(Txn& txn, std::uint64_t sequence, StateCounts& counts) const;
  Result<pb::Alert> alert_at(const Txn& txn, std::uint64_t sequence) const;
  Result<> put_alert_row(Txn& txn, const pb::Alert& alert) const;
  Result<pb::Delivery> delivery_at(const Txn& txn, std::string_view sink, std::uint64_t sequence) const;
  Result<std::vector<pb::Delivery>> deliveries_of(const Txn& txn, std::uint64_t sequence) const;

  const State& state_;
  const std::uint32_t max_alerts_;
  const Clock& clock_;
};

}  // namespace de::store
