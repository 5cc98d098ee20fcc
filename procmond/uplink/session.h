// One broker session. Two coroutines share it on the io thread: one reads requests, the other sends whatever is due.
//
// Thread: io.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "daemoneye/broker.pb.h"
#include "daemoneye/link/connection.h"
#include "uplink/uplink.h"

namespace de::uplink {

constexpr std::uint64_t kMaxCredits = 4'096;

enum class Phase : std::uint8_t { Greeting = 1, Waiting = 2, Monitoring = 4 };

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Uplink& uplink, link::Connection connection);

  // Returns why the session ended; never a success.
  link::Task<> run();
  void close(const std::string& goodbye);
  void offer_snapshot(std::deque<std::string> chunks);
  void wake();
  void beat_now();
  bool wants_snapshots() const { return phase_ == Phase::Monitoring; }

  // Handlers of request_table.cpp. An error is a violation.
  Result<> on_ack(const pb::Envelope& message);
  Result<> on_credit(const pb::Envelope& message);
  Result<> on_begin(const pb::Envelope& message);
  Result<> on_adjust(const pb::Envelope& message);
  Result<> on_scan_now(const pb::Envelope& message);
  Result<> on_task(const pb::Envelope& message);
  Result<> on_revoke(const pb::Envelope& message);
  Result<> on_ledger_append(const pb::Envelope& message);
  Result<> on_heartbeat(const pb::Envelope& message);
  Result<> on_alive(const pb::Envelope& message);
  Result<> on_goodbye(const pb::Envelope& message);

 private:
  link::Task<> greet();
  link::Task<> read_loop();
  link::Task<> write_loop();
  link::Task<> watch_loop();
  Result<> dispatch(const pb::Envelope& message);
  Result<bool> queue_due();  // Moves what may be sent into out_; whether there is anything.
  Result<> queue_events();
  void queue(const pb::Envelope& message);
  void queue_bytes(std::string message);
  void start_task();  // The next one, when it may.
  Result<> refuse_task(const std::string& id, const char* why);
  void note_silence(std::int64_t now_ns);
  void note_heard();
  pb::Envelope hello() const;
  pb::Envelope heartbeat() const;

  struct Rate {
    std::int64_t window_start_ns = 0;
    std::uint32_t used = 0;
  };

  Uplink& uplink_;
  link::Connection connection_;
  boost::asio::steady_timer wake_;
  boost::asio::steady_timer watch_;
  Phase phase_ = Phase::Greeting;
  std::deque<std::string> out_;  // Serialised, in order; small messages and at most a credit's worth of data.
  std::size_t out_bytes_ = 0;
  std::deque<std::string> snapshot_;  // The one being sent.
  std::deque<std::string> next_snapshot_;
  bool snapshot_started_ = false;
  bool snapshot_left_ = false;  // Sent to its end just now.
  std::uint64_t sent_sequence_ = 0;
  std::uint64_t credits_ = 0;
  std::int64_t heartbeat_interval_ns_ = 0;
  std::int64_t next_heartbeat_ns_ = 0;
  std::int64_t next_alive_ns_ = 0;
  std::int64_t heard_ns_ = 0;            // When the agent last said anything.
  bool is_silent_ = false;               // It was noted that it does not.
  std::deque<pb::DetectionTask> tasks_;  // Asked for, not begun.
  bool task_runs_ = false;
  std::map<int, Rate> rates_;  // By message case.
  bool closing_ = false;
};

}  // namespace de::uplink
