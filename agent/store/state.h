// What has no day: alerts with their deliveries and dedupe windows, gaps, old watermarks.
//
//   alert    sequence -> pb.Alert          alert_id  id -> sequence
//   dedupe   key -> sequence, when stored  deliver   sequence, sink -> pb.Delivery
//   pending  sink NUL sequence -> nothing  gap       collector NUL spool NUL first sequence -> gap
//   mark     collector NUL spool -> sequence, when   info  "schema", "counts", "note.NAME"
//   capture  what traces read: capture_log.h
//
// Thread: any for reading; one writer at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "store/env.h"

namespace de::store {

enum class StateTable : std::uint8_t { Alerts, AlertIds, Dedupe, Deliveries, Pending, Gaps, Marks, Info, Captures };

constexpr std::uint64_t kSchemaVersion = 1;

struct StateCounts {
  std::uint64_t next_alert = 1;
  std::uint64_t open = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t closed = 0;
  std::uint64_t alerts_removed = 0;
  std::uint64_t deliveries_pending = 0;
  std::uint64_t gaps = 0;
  std::uint64_t gaps_removed = 0;

  std::uint64_t alerts() const { return open + acknowledged + closed; }
};
std::string encode_state_counts(const StateCounts& counts);
Result<StateCounts> decode_state_counts(std::string_view payload);

class State {
 public:
  // Unsupported when the store was written with another schema.
  static Result<std::unique_ptr<State>> open(const std::string& path, std::uint64_t map_bytes);

  const Env& env() const { return *env_; }
  MDB_dbi table(StateTable table) const { return env_->table(static_cast<std::size_t>(table)); }
  Result<StateCounts> counts(const Txn& txn) const;
  Result<> put_counts(Txn& txn, const StateCounts& counts) const;
  // What others want to find again after a restart.
  Result<std::optional<std::string>> find_note(std::string_view name) const;
  Result<> put_note(std::string_view name, std::string_view text) const;

 private:
  explicit State(std::unique_ptr<Env> env) : env_(std::move(env)) {}
  std::unique_ptr<Env> env_;
};

}  // namespace de::store
