// Connects to a listener on a Unix socket, and says when to try again.
//
// Thread: io.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string>

#include "daemoneye/link/connection.h"
#include "daemoneye/link/task.h"

namespace de::link {

// Connects to the socket at `path`, on the executor of the awaiting coroutine. The caller decides from
// Connection::peer() whether it reached the right process, before it sends a byte.
//
// Errors: Invalid (path empty, over 107 bytes, or not a stream socket), NotFound (nothing there), Denied (no
// permission), Closed (nobody is listening), Timeout (the listener's queue stayed full for `limit`), Io.
Task<Connection> dial(std::string path, Limits limits, std::chrono::milliseconds limit);

// How long to wait before the next attempt: 100 ms, doubling to 30 s, each shortened at random by up to a half so that
// collectors that lost the same agent do not return in step.
class Backoff {
 public:
  static constexpr std::chrono::milliseconds kFirst{100};
  static constexpr std::chrono::milliseconds kLongest{30'000};

  explicit Backoff(std::uint32_t seed = std::random_device{}()) : random_(seed) {}

  std::chrono::milliseconds next();
  void reset() { ceiling_ = kFirst; }  // After a session that worked.

 private:
  std::minstd_rand random_;
  std::chrono::milliseconds ceiling_ = kFirst;
};

}  // namespace de::link
