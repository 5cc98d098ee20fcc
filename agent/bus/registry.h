// Which collectors are expected, who may come as one, and how each of them is doing.
//
// Thread: io.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/control.pb.h"
#include "daemoneye/link/peer.h"

namespace de::bus {

enum class CollectorState : std::uint8_t { Expected, Connected, Silent, Gone };
std::string_view to_text(CollectorState state);

struct Collector {
  std::string id;
  std::string type;
  bool expected = false;  // By configuration.
  CollectorState state = CollectorState::Expected;
  std::uint32_t startup_timeout_ms = 60'000;
  std::uint32_t heartbeat_interval_ms = 30'000;
  std::string version;
  std::string boot_id;
  std::string hostname;
  std::string spool_id;
  std::uint32_t pid = 0;     // As the kernel tells us; 0: it is not in our pid namespace.
  bool has_our_pids = true;  // It calls itself by the same.
  uid_t uid = 0;
  std::int64_t since_ms = 0;  // In this state.
  std::int64_t last_heard_ns = 0;
  std::vector<pb::Trouble> troubles;  // From the last heartbeat, safe to print, as the following.
  std::map<std::string, std::uint64_t> counters;
  std::vector<pb::Finding> findings;
  std::map<std::string, std::uint32_t> unbalanced;     // By book: checks in a row that failed.
  std::shared_ptr<const pb::SchemaDescriptor> schema;  // What it said it can tell; null: it said nothing.
  std::uint64_t sessions = 0;
  std::uint64_t violations = 0;
  std::uint64_t messages = 0;
  std::uint64_t held_back = 0;  // Times it was read no faster.
};

struct Admission {
  std::vector<uid_t> uids;  // Who may connect to the broker socket at all.
  // Whether it is the process it must be, where the agent started it (pid and spawn token), and of the account it must
  // be. Errors: Denied. Absent: all are.
  std::function<Result<>(const link::Peer& peer, const pb::Hello& hello)> check_genuine;
};

class Registry {
 public:
  static constexpr std::size_t kMaxCollectors = 64;
  static constexpr std::int64_t kSilentAfterNs = 2'500'000'000;  // It says something every second.
  static constexpr std::uint32_t kUnbalancedChecks = 3;          // Then it is no longer a moment between two events.

  Registry(Admission admission, const Clock& clock) : admission_(std::move(admission)), clock_(clock) {}

  void expect(const std::string& id, const std::string& type, std::uint32_t startup_timeout_ms,
              std::uint32_t heartbeat_interval_ms);

  // Whether this user may say anything at all: asked before a byte is read. Errors: Denied.
  Result<> check_uid(const link::Peer& peer) const;
  // Decides from the kernel's credentials and the greeting. Errors: Denied, Conflict (that id is connected),
  // Unsupported (protocol version), Invalid, Exhausted. The text is for the collector's log.
  Result<Collector*> admit(const link::Peer& peer, const pb::Hello& hello);
  void leave(const std::string& id, bool violation);
  void heard(const std::string& id);
  void held_back(const std::string& id);
  void heartbeat(const std::string& id, const pb::Heartbeat& beat);

  // Marks collectors that have not been heard of; returns the ids that have just fallen silent. To be called often:
  // what was not listened to is nobody's silence.
  std::vector<std::string> find_silent();

  bool all_expected_connected() const;
  bool startup_overdue(std::int64_t started_ns) const;
  // Why answers over the snapshot are not complete, as far as collectors go.
  std::vector<pb::Reason> reasons() const;
  const std::map<std::string, Collector>& collectors() const { return collectors_; }
  std::uint64_t refused() const { return refused_; }
  void count_refused() { ++refused_; }

 private:
  const Admission admission_;
  const Clock& clock_;
  std::map<std::string, Collector> collectors_;
  std::int64_t looked_ns_ = 0;  // For the silent ones.
  std::uint64_t refused_ = 0;
};

}  // namespace de::bus
