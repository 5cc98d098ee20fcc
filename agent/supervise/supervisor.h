// Keeps one program running: starts it, notices its end, starts it again after a growing pause, and says so when it
// keeps failing. It never gives up: a monitor that stopped trying is blind until somebody looks.
//
// Thread: one.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "supervise/launcher.h"

namespace de::supervise {

struct SupervisorOptions {
  std::size_t program = 0;  // In the launcher's list.
  // Called before each start for variables that differ every time (the spawn token). May be empty.
  std::function<Result<std::vector<std::string>>()> fresh_environment;
  bool auto_restart = true;
  std::chrono::milliseconds first_pause{1'000};
  std::chrono::milliseconds longest_pause{60'000};
  std::chrono::milliseconds stable_after{60'000};      // A run this long makes the next pause short again.
  unsigned flapping_ends = 5;                          // This many unwanted ends ...
  std::chrono::milliseconds flapping_window{300'000};  // ... within this time are flapping.
};

struct SupervisorCounts {
  std::uint64_t starts = 0;
  std::uint64_t ends = 0;            // Of a program that had been started; wanted stops are not counted.
  std::uint64_t start_failures = 0;  // It could not be started at all.
  bool running = false;
  bool flapping = false;
  pid_t pid = 0;                           // While running.
  std::string last_end;                    // "killed by signal 9", or why it did not start.
  std::chrono::milliseconds next_start{};  // From now; zero while running or stopped.
};

class Supervisor {
 public:
  enum class Change { None, Started, Ended, StartFailed };

  // `launcher` and `clock` outlive the supervisor.
  Supervisor(SupervisorOptions options, Launcher& launcher, const Clock& clock);
  ~Supervisor();  // Kills what still runs.
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Looks at the child and starts it when it is due. Cheap; call it about every 100 ms, or when wait_fd() is readable.
  // One change per call, so the caller can report each.
  Change tick();

  // Ends the program and keeps it ended until resume().
  Result<> stop(std::chrono::milliseconds grace);
  // Starts again at the next tick, without a pause.
  void resume();

  int wait_fd() const { return running_ ? running_->fd.get() : -1; }
  SupervisorCounts counts() const;

 private:
  Change start_now(std::int64_t now_ns);
  bool has_ended() const;
  Change note_failure(Change change, std::string why, std::int64_t now_ns);
  std::int64_t next_pause_ns();
  bool is_flapping(std::int64_t now_ns) const;

  const SupervisorOptions options_;
  Launcher& launcher_;
  const Clock& clock_;
  std::optional<Launcher::Started> running_;
  bool wanted_ = true;
  std::int64_t started_ns_ = 0;
  std::int64_t next_start_ns_ = 0;
  unsigned failures_in_row_ = 0;
  std::deque<std::int64_t> recent_ends_ns_;  // At most flapping_ends of them.
  SupervisorCounts counts_;
  std::minstd_rand random_;
};

using Supervisors = std::map<std::string, std::unique_ptr<Supervisor>>;  // By collector id.

}  // namespace de::supervise
