// One sink's worker: takes what is pending for it, in order, and does not stop trying.
//
// The queue itself is durable and belongs to the store; the worker holds at most one batch. An alert is reported as
// delivered after the sink made it durable, so after a crash it may come twice but never not at all. One sink never
// delays another: each has its own worker and thread.
//
// Thread: the worker's own; wake(), stop() and counts() may be called from any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "daemoneye/alert.pb.h"
#include "daemoneye/base/result.h"
#include "sink/sink.h"

namespace de::sink {

// The store as a worker sees it. Called on the worker's thread; implementations hand over to the writer thread and
// wait, and answer Cancelled when the program is ending.
class DeliveryQueue {
 public:
  virtual ~DeliveryQueue() = default;
  // Oldest first, at most `max`.
  virtual Result<std::vector<pb::Alert>> pending(std::string_view sink, std::size_t max) = 0;
  virtual Result<> delivered(std::string_view sink, std::uint64_t sequence) = 0;
  virtual Result<> failed(std::string_view sink, std::uint64_t sequence, std::string_view error) = 0;
};

struct DeliveryOptions {
  pb::Severity min_severity = pb::SEVERITY_LOW;  // Lesser alerts are ticked off without being sent.
  std::size_t batch = 64;
  std::chrono::milliseconds first_retry{1'000};
  std::chrono::milliseconds longest_retry{60'000};
};

struct DeliveryCounts {
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;  // Below min_severity.
  std::uint64_t failures = 0;  // Attempts, of the sink or of the queue.
  std::uint64_t failures_in_row = 0;
  std::size_t pending = 0;  // Of the last batch taken, not yet delivered.
  bool more = false;        // The batch was full: the queue may hold more than `pending`.
  std::string last_error;   // Of the last failure; stays after a success, failures_in_row tells.
};

class Delivery {
 public:
  // `queue` outlives the worker. The thread starts at once and looks for what an earlier run left.
  Delivery(std::unique_ptr<Sink> sink, DeliveryQueue& queue, DeliveryOptions options);
  ~Delivery() { stop(); }
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  std::string_view name() const { return sink_->name(); }

  // There may be something new. Does not shorten the pause after a failure.
  void wake();
  // Without waiting: of several, none then waits for another one's alert.
  void begin_stop();
  // Finishes the alert at hand, not the queue, and joins. Idempotent.
  void stop();

  DeliveryCounts counts() const;

 private:
  enum class Round { Idle, More, Failed };

  void run();
  Round deliver_batch();
  // Sends alerts[begin...] until one fails; `sent` is how many of them need no further attempt.
  Result<> send(const std::vector<pb::Alert>& alerts, std::size_t& sent);
  Result<> confirm(const std::vector<pb::Alert>& alerts, std::size_t sent);
  void note_failure(const Error& error);
  void note_success();
  bool is_wanted(const pb::Alert& alert) const { return alert.severity() >= options_.min_severity; }
  bool is_stopping() const;
  std::chrono::milliseconds next_pause();

  const std::unique_ptr<Sink> sink_;
  DeliveryQueue& queue_;
  const DeliveryOptions options_;
  std::minstd_rand random_;  // Worker thread only.

  mutable std::mutex mutex_;  // Guards the four below; never held while the sink or the queue is called.
  std::condition_variable changed_;
  bool woken_ = true;
  bool stopping_ = false;
  DeliveryCounts counts_;

  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace de::sink
