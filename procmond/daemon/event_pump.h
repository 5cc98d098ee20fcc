// Fetches what the kernel tells on a thread of its own and hands it on to the io thread. The first event after a pause
// wakes it at once; it waits a moment for what follows, as few processes only begin. While more keep coming they are
// fetched together, a few milliseconds apart. A fork that comes by itself is handed on with what comes next, or after
// those few milliseconds.
//
// Thread: io, where the hooks are called as well.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "collect/collector.h"
#include "daemoneye/base/pulse.h"
#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::daemon {

class EventPump {
 public:
  struct Hooks {
    std::function<void(collect::Collected)> hand_on;
    // The feed is gone: called once, after everything it told was handed on. May destroy the pump.
    std::function<void(std::string reason)> on_end;
  };
  struct Limits {
    std::uint32_t latency_ms = 5;
    // Of events that are handed on and not taken yet. Beyond it they stay with the kernel, which counts what it drops.
    std::size_t waiting_bytes = 32UL << 20;
  };

  // `collector` has a feed and outlives the pump. Errors: Exhausted (no descriptor, no thread).
  static Result<std::unique_ptr<EventPump>> start(const boost::asio::any_io_executor& executor,
                                                  collect::Collector& collector, Limits limits, Hooks hooks);
  ~EventPump();  // Calls no hook any more.

  // Fetches no more, and hands on what was fetched. The end of a feed is not told any more.
  void stop();

  // As many bytes of the events handed on are dealt with.
  void taken(std::size_t bytes) { waiting_ -= bytes; }
  // Beats at least once a second.
  Pulse& pulse() { return pulse_; }
  // How many of those that may wait do, 0 to 1; more when they came all at once.
  double fill() const { return static_cast<double>(waiting_) / static_cast<double>(limits_.waiting_bytes); }

 private:
  EventPump(const boost::asio::any_io_executor& executor, collect::Collector& collector, Limits limits, Hooks hooks);
  void run();
  void join();
  bool wait(int wake_fd, int timeout_ms) const;
  void pass(collect::Collected collected);
  void end(std::string reason);
  void ring() const;
  void listen();
  void hand_on();

  collect::Collector& collector_;
  const Limits limits_;
  const Hooks hooks_;
  UniqueFd stop_;
  UniqueFd bell_;  // Rung for the io thread.
  boost::asio::posix::stream_descriptor listener_;
  std::uint64_t rung_ = 0;
  std::shared_ptr<EventPump*> self_ = std::make_shared<EventPump*>(this);  // For a handler that comes too late.
  std::atomic<std::size_t> waiting_ = 0;
  Pulse pulse_;
  std::mutex mutex_;  // Guards what was fetched and not handed on.
  std::vector<collect::Collected> fetched_;
  bool has_ended_ = false;
  std::string why_;
  std::thread thread_;
};

}  // namespace de::daemon
