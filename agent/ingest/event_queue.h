// Events on their way to the rules, the moment they arrive; they are being committed meanwhile. What waits is bounded:
// one run takes everything that came meanwhile up to a limit, and beyond another limit the oldest are passed over,
// counted, and told for an hour. They are stored all the same, and the next snapshot is looked at by every rule that
// looks at processes.
//
// Thread: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/control.pb.h"
#include "ingest/detector.h"

namespace de::ingest {

struct EventQueueCounts {
  std::uint64_t pushed = 0;
  std::uint64_t popped = 0;
  std::uint64_t skipped = 0;  // pushed == popped + skipped + waiting.
};

class EventQueue {
 public:
  static constexpr std::size_t kRunEvents = 1'024;  // Of one run.
  static constexpr std::size_t kMaxEvents = 16'384;
  static constexpr std::size_t kMaxBytes = 32UL << 20;
  static constexpr std::int64_t kToldForMs = 3'600'000;
  static constexpr std::size_t kMaxSpools = 64;  // Beyond it all are forgotten: a rule may look at an event twice.

  // `clock` outlives the queue.
  explicit EventQueue(const Clock& clock) : clock_(clock) {}

  // Those beyond `committed` and beyond what was pushed before for this (collector, spool id): what comes again because
  // it could not be committed, or its acknowledgement was lost, was looked at before. `bytes` is what all of them came
  // in.
  void push(const std::string& collector, const std::string& spool_id, std::uint64_t committed,
            const std::shared_ptr<const pb::EventBatch>& events, std::size_t bytes);
  // Its sequences were not to be trusted.
  void forget(const std::string& collector);
  // The oldest, at most kRunEvents; empty when none has come after `patience`, which may be nothing.
  std::vector<NewEvent> pop(std::chrono::milliseconds patience = {});
  bool is_empty() const { return waiting() == 0; }
  std::size_t waiting() const;
  EventQueueCounts counts() const;
  // ResourceLimit while events were passed over within the last hour.
  std::vector<pb::Reason> reasons() const;

 private:
  struct Waiting {
    NewEvent event;
    std::size_t bytes = 0;
  };

  void drop_front();

  const Clock& clock_;
  mutable std::mutex mutex_;  // For everything below; a leaf.
  std::condition_variable come_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> pushed_to_;  // Highest sequence by collector and spool.
  std::deque<Waiting> events_;
  std::size_t bytes_ = 0;
  EventQueueCounts counts_;
  std::int64_t skipped_at_ms_ = 0;
};

}  // namespace de::ingest
