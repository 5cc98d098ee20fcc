// The process that starts programs, so that the agent may not. Forked before the agent confines itself, it knows what
// it may start from that moment on: a list, by number. What it is told later is which of them, and variables for its
// environment; it starts no second one of the same number. It ends with the agent, and what it started ends with it.
//
// Against whom: whoever takes over the agent. He can start and stop what is on the list, and nothing else.
//
// Thread: any. A call waits for the launcher: milliseconds, for stop() as long as `grace` and 10 s more; one that
// stands still for as long as `limit` says.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/base/side_process.h"
#include "daemoneye/base/unique_fd.h"
#include "supervise/child.h"

namespace de::supervise {

struct LauncherRequest;

constexpr std::size_t kMaxPrograms = 64;
constexpr std::size_t kMaxFreshBytes = 4'096;  // Of the variables of one start.

class Launcher {
 public:
  using Limit = std::chrono::milliseconds;
  static constexpr Limit kPatience{10'000};
  struct Started {
    pid_t pid = 0;
    UniqueFd fd;  // A pidfd, or of a program that has one its channel: readable once it has ended.
  };

  // Errors: Invalid (more than kMaxPrograms), Io.
  static Result<std::unique_ptr<Launcher>> fork(std::vector<ChildOptions> programs);

  // `variables`: "NAME=value", besides those of the list. Errors: those of Child::start(), Conflict (it runs already),
  // Closed (the launcher is gone), Timeout (it does not answer; it may start it all the same, later).
  Result<Started> start(std::size_t program, const std::vector<std::string>& variables, Limit limit = kPatience);
  // Errors: NotFound (it was never started), Closed, Timeout.
  Result<ChildState> poll(std::size_t program, Limit limit = kPatience);
  // As Child::stop(). Errors besides: NotFound, Closed.
  Result<ChildState> stop(std::size_t program, Limit grace);

  pid_t pid() const { return pid_; }

 private:
  struct Answer;
  Launcher(UniqueFd channel, pid_t pid) : channel_(std::move(channel)), pid_(pid) {}
  bool take_turn(std::chrono::steady_clock::time_point until);
  void end_turn();
  Result<Answer> ask(LauncherRequest request, const std::vector<std::string>& variables, Limit limit);
  Result<Answer> ask_now(LauncherRequest request, const std::string& text, std::chrono::steady_clock::time_point until);
  Result<Packet> receive_reply(std::chrono::steady_clock::time_point until);

  UniqueFd channel_;
  pid_t pid_;
  std::mutex turn_;
  std::condition_variable turn_ended_;
  bool asking_ = false;  // Guarded by turn_. Whoever set it has the channel and asked_: one request, one reply.
  std::uint32_t asked_ = 0;
};

// The launcher's own loop, until the other end of `channel` is closed.
void serve_launcher(const UniqueFd& channel, const std::vector<ChildOptions>& programs);

}  // namespace de::supervise
