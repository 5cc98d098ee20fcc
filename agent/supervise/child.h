// One program we started: watched, stopped, and never left behind.
//
// The child leads a session of its own, so that a terminal's ^C reaches the agent first and the agent stops its
// collectors in order. Everything it forked and left in its process group is killed when it ends. The kernel kills it
// when the thread that started it ends (PR_SET_PDEATHSIG goes by thread): start children from a thread that lives as
// long as the program.
//
// Thread: one owner at a time; start() on a thread that outlives the child.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::supervise {

struct RunAs {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups{};  // Supplementary groups; replaces ours.
};

struct ChildOptions {
  std::vector<std::string> argv{};         // argv[0] is an absolute path; at most kMaxWords words.
  std::vector<std::string> environment{};  // "NAME=value"; replaces an inherited variable of that name.
  std::optional<RunAs> run_as{};           // Absent: our own identity.
  std::string log_path{};                  // stdout and stderr are appended here (0640); empty: inherited.
  bool has_channel = false;                // stdin is one end of a channel (base/side_process.h), not /dev/null.
};

constexpr std::size_t kMaxWords = 256;  // Far above what a collector is given; argv and environment each.

struct ChildState {
  enum class Kind { Running, Exited, Signalled };
  Kind kind = Kind::Running;
  int value = 0;  // Exit code or signal number.
  bool operator==(const ChildState&) const = default;
};

// "running", "exited with code 3", "killed by signal 9".
std::string describe(const ChildState& state);

class Child {
 public:
  // Returns once the program runs: what fails before or in exec is our error, not an exit code.
  // Errors: Invalid (argv, environment), NotFound, Denied, Unsupported (kernel without pidfd), Io.
  static Result<Child> start(const ChildOptions& options);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // Kills what still runs.

  pid_t pid() const { return pid_; }
  int wait_fd() const { return pidfd_.get(); }  // Readable once the child ended.

  // The other end of its channel, once; nothing where it has none.
  UniqueFd take_channel() { return std::move(channel_); }

  // Never blocks. After the end it keeps answering with how it ended.
  Result<ChildState> poll();

  // SIGTERM, and SIGKILL to the whole group when `grace` is over. Idempotent.
  // Errors: Timeout when even SIGKILL did not end it (it sleeps in the kernel), Io.
  Result<ChildState> stop(std::chrono::milliseconds grace);

 private:
  Child(pid_t pid, UniqueFd pidfd, UniqueFd channel)
      : pid_(pid), pidfd_(std::move(pidfd)), channel_(std::move(channel)) {}
  bool wait_for_end(std::chrono::milliseconds limit) const;

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  UniqueFd channel_;
  std::optional<ChildState> ended_;
};

}  // namespace de::supervise
