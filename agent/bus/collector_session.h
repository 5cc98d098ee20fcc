// One collector's connection: greeting, admission, then everything it publishes, acknowledged after commit.
// A malformed, early, repeated or out-of-phase message ends the session and is counted.
// Events are handed on when they arrive and committed a little later, together with those that come meanwhile.
//
// Thread: io.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bus/envelope_pool.h"
#include "bus/registry.h"
#include "daemoneye/base/allowance.h"
#include "daemoneye/link/connection.h"

namespace de::bus {

constexpr link::Limits kBrokerLimits{4UL << 20, 64UL << 10};  // From the collector; to the collector.
constexpr std::size_t kGreetingBytes = 64UL << 10;  // Of whom nobody knows yet; most of a Hello is its schema.
// Messages that take no credit: a second, and at once after a pause. procmond confirms at most 2,000 entries a second;
// whoever says more is read no faster.
constexpr double kUnpaidPerSecond = 2'000;
// Published messages in flight; more are a violation. Enough for two full commits of events; a snapshot of 10,000
// processes does not fit, so that the agent never holds one whole as messages.
constexpr std::uint32_t kCredits = 16;
constexpr int kMaxEventsPerCommit = 2'000;

using EventBatches = std::vector<std::shared_ptr<const pb::EventBatch>>;

// What the session hands on. Each is called on the io thread.
struct Consumers {
  // What is already committed for (collector, spool id).
  std::function<std::uint64_t(const std::string& collector, const std::string& spool_id)> acked;
  // Returns once committed, with the sequence to acknowledge (0: nothing). An error other than Corrupt/Invalid is ours:
  // the message was not committed, the session ends and the collector sends it again.
  std::function<link::Task<std::uint64_t>(std::string collector, std::string spool_id, pb::Publish publish)> publish;
  // The same for the events of several messages.
  std::function<link::Task<std::uint64_t>(std::string collector, std::string spool_id, EventBatches batches)>
      publish_events;
  // Events the moment they arrive: not committed yet, and some may have come before. `bytes` is what they came in.
  std::function<void(const std::string& collector, const std::string& spool_id,
                     const std::shared_ptr<const pb::EventBatch>& events, std::size_t bytes)>
      arrived;
  std::function<void(const std::string& collector, const pb::LedgerAppended&)> ledger_appended;
  std::function<void(const std::string& collector, const pb::DetectionResult&)> task_result;
  // Everybody there? Then Begin may be sent.
  std::function<void(const std::string& collector)> connected;
  std::function<void(const std::string& collector, const std::string& why, bool violation)> ended;
  std::uint32_t commit_delay_ms = 0;  // How long events may wait for others to be committed with.
};

class CollectorSession : public std::enable_shared_from_this<CollectorSession> {
 public:
  CollectorSession(boost::asio::any_io_executor executor, link::Connection connection, Registry& registry,
                   const Consumers& consumers, const Clock& clock);

  link::Task<> run();
  void close(const std::string& reason);

  const std::string& id() const { return id_; }
  // False when too much is queued for a collector that does not read.
  bool send(const pb::Envelope& message);
  void begin(std::uint32_t scan_interval_ms);
  // Another interval from now on; nothing before Begin, which brings it.
  void adjust(std::uint32_t scan_interval_ms);
  bool began() const { return began_; }
  // Returns when everything that arrived before is committed, or will not be in this session.
  link::Task<> settle();

 private:
  link::Task<> greet();
  link::Task<> refuse(Error error);  // Always fails with `error`, after telling the peer.
  link::Task<> read_loop();
  link::Task<> commit_loop();
  link::Task<> write_loop();
  // `bytes` is what it came in.
  Result<> handle(std::unique_ptr<pb::Envelope> message, std::size_t bytes);
  void take_in(std::unique_ptr<pb::Envelope> message, std::size_t bytes);
  bool is_commit_due() const;
  link::Task<> keep_pace();  // Returns when the next message may be read.
  link::Task<std::uint64_t> commit_next(std::uint32_t& messages);
  void end_session();

  link::Connection connection_;
  Registry& registry_;
  const Consumers& consumers_;
  const Clock& clock_;
  boost::asio::steady_timer write_wake_;
  boost::asio::steady_timer commit_wake_;
  std::string id_;
  std::string spool_id_;
  std::uint32_t heartbeat_interval_ms_ = 30'000;
  struct Arrived {
    pb::Publish publish;                           // Not of events.
    std::shared_ptr<const pb::EventBatch> events;  // Or null.
    std::int64_t due_ns = 0;
  };
  std::shared_ptr<EnvelopePool> pool_ = EnvelopePool::create();
  std::deque<Arrived> inbox_;  // Read, not committed; at most kCredits.
  int waiting_events_ = 0;     // In the inbox.
  std::size_t waiting_others_ = 0;
  std::uint64_t arrived_ = 0;    // Messages ever taken in,
  std::uint64_t committed_ = 0;  // of which these are committed,
  std::uint64_t wanted_ = 0;     // and these at once.
  std::deque<std::string> out_;
  Allowance unpaid_{kUnpaidPerSecond, kUnpaidPerSecond};
  std::int64_t next_heartbeat_ns_ = 0;
  std::int64_t next_alive_ns_ = 0;
  bool has_failed_ = false;  // A commit.
  bool began_ = false;
  bool closing_ = false;
};

}  // namespace de::bus
