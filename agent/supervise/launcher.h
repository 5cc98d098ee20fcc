// The process that starts programs, so that the agent may not. Forked before the agent confines itself, it knows what
// it may start from that moment on: a list, by number. What it is told later is which of them, and variables for its
// environment; it starts no second one of the same number. It ends with the agent, and what it started ends with it.
//
// Against whom: whoever takes over the agent. He can start and stop what is on the list, and nothing else.
//
// Thread: one at a time. A call waits for the launcher: milliseconds, for stop() as long as `grace` and 5 s more.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"
#include "supervise/child.h"

namespace de::supervise {

constexpr std::size_t kMaxPrograms = 64;
constexpr std::size_t kMaxFreshBytes = 4'096;  // Of the variables of one start.

class Launcher {
 public:
  struct Started {
    pid_t pid = 0;
    UniqueFd pidfd;  // Readable once it has ended.
  };

  // Errors: Invalid (more than kMaxPrograms), Io.
  static Result<std::unique_ptr<Launcher>> fork(std::vector<ChildOptions> programs);

  // `variables`: "NAME=value", besides those of the list. Errors: those of Child::start(), Conflict (it runs already),
  // Closed (the launcher is gone).
  Result<Started> start(std::size_t program, const std::vector<std::string>& variables);
  // Errors: NotFound (it was never started), Closed.
  Result<ChildState> poll(std::size_t program);
  // As Child::stop(). Errors besides: NotFound, Closed.
  Result<ChildState> stop(std::size_t program, std::chrono::milliseconds grace);

  pid_t pid() const { return pid_; }

 private:
  struct Answer;
  Launcher(UniqueFd channel, pid_t pid) : channel_(std::move(channel)), pid_(pid) {}
  Result<Answer> ask(int what, std::size_t program, std::uint32_t grace_ms, const std::vector<std::string>& variables);

  UniqueFd channel_;
  pid_t pid_;
};

// The launcher's own loop, until the other end of `channel` is closed.
void serve_launcher(const UniqueFd& channel, const std::vector<ChildOptions>& programs);

}  // namespace de::supervise
