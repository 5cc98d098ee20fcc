// procmond's side of the broker session: dials the agent, sends spooled events and snapshots, and answers the fixed
// list of requests in request_table.cpp. The agent is less privileged than we are: anything malformed, early, repeated
// or out of order ends the session, is counted and entered in the ledger, and we dial again.
//
// Thread: io.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "audit/ledger_file.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/link/connection.h"
#include "daemoneye/link/dial.h"
#include "spool/spool.h"

namespace de::uplink {

constexpr link::Limits kLimits{64UL << 10, 4UL << 20};  // From the agent; to the agent.
constexpr std::size_t kRecordsPerChunk = 256;

struct Options {
  std::string broker_socket;
  std::string collector_id = "procmond";
  std::string spawn_token;
  std::string boot_id;
  std::string hostname;
  std::vector<uid_t> agent_uids;  // Who may be at the other end.
  pb::SchemaDescriptor schema;    // What Hello says can be told.
};

// What a session may ask of the daemon; nothing else is reachable from the request table.
struct Hooks {
  std::function<void(std::uint32_t interval_ms)> set_interval;
  std::function<void()> scan_now;
  // Runs the task away from the io thread and calls `done` on it.
  std::function<void(pb::DetectionTask, std::function<void(pb::DetectionResult)> done)> run_task;
  // That a plan is not wanted any more: begun after the tasks before it.
  std::function<void(std::string task_id)> revoke_task;
  // The agent is gone, and with it all that it asked for; in the same order.
  std::function<void()> end_session;
  std::function<void(pb::Heartbeat&)> fill_heartbeat;
};

struct Counts {
  std::uint64_t sessions = 0;
  std::uint64_t refused = 0;     // By the agent, or by us because the wrong user listens.
  std::uint64_t violations = 0;  // Sessions ended because the agent broke the protocol.
  std::uint64_t chunks_sent = 0;
  std::uint64_t events_sent = 0;
  std::uint64_t snapshots_replaced = 0;  // A newer snapshot came before the older one could be sent.
};

class Session;

class Uplink {
 public:
  // All references outlive the uplink.
  Uplink(boost::asio::any_io_executor executor, Options options, Hooks hooks, spool::Spool& spool,
         audit::LedgerFile& ledger, const Clock& clock);
  ~Uplink();

  // Dials until stop().
  link::Task<> run();
  // Says goodbye and ends run().
  void stop();

  // True while an agent wants snapshots: nobody builds them otherwise.
  bool wants_snapshots() const;
  // Serialised Envelopes of one snapshot, in order. A snapshot that is still waiting is replaced.
  void offer_snapshot(std::deque<std::string> chunks);
  // There is something new in the spool.
  void wake();
  // There is something to be said that does not wait for the next heartbeat.
  void beat_now();

  const Counts& counts() const { return counts_; }

 private:
  friend class Session;
  link::Task<> one_session(link::Connection connection);
  bool is_agent(const link::Peer& peer) const;
  void enter(std::string_view actor, std::string_view action, const std::string& payload);

  boost::asio::any_io_executor executor_;
  const Options options_;
  const Hooks hooks_;
  spool::Spool& spool_;
  audit::LedgerFile& ledger_;
  const Clock& clock_;
  Counts counts_;
  boost::asio::steady_timer pause_;
  std::shared_ptr<Session> session_;  // Second owner: the coroutines of the session while they end.
  bool stopping_ = false;
};

}  // namespace de::uplink
