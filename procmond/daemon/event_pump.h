// Fetches what the kernel tells and hands it on. The first event after a pause is fetched at once; while more keep
// coming they are fetched together, a few milliseconds apart. A fork that comes first is handed on with what comes
// next, or after those few milliseconds.
//
// Thread: its own; `hand_on` is called on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "collect/collector.h"
#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::daemon {

class EventPump {
 public:
  struct Hooks {
    std::function<void(collect::Collected)> hand_on;
    // The feed is gone; nothing is fetched any more.
    std::function<void(std::string reason)> on_end;
  };
  struct Limits {
    std::uint32_t latency_ms = 5;
    // Of events that are handed on and not taken yet. Beyond it they stay with the kernel, which counts what it drops.
    std::size_t waiting_bytes = 32UL << 20;
  };

  // `collector` has a feed and outlives the pump. Errors: Exhausted (no descriptor, no thread).
  static Result<std::unique_ptr<EventPump>> start(collect::Collector& collector, Limits limits, Hooks hooks);
  ~EventPump();  // Fetches no more. Not from within a hook.

  // As many bytes of the events handed on are dealt with.
  void taken(std::size_t bytes) { waiting_ -= bytes; }
  // How many of those that may wait do, 0 to 1; more when they came all at once.
  double fill() const { return static_cast<double>(waiting_) / static_cast<double>(limits_.waiting_bytes); }

 private:
  EventPump(collect::Collector& collector, Limits limits, Hooks hooks, UniqueFd stop);
  void run();
  bool wait(int wake_fd, int timeout_ms) const;

  collect::Collector& collector_;
  const Limits limits_;
  const Hooks hooks_;
  const UniqueFd stop_;
  std::atomic<std::size_t> waiting_ = 0;
  std::thread thread_;
};

}  // namespace de::daemon
