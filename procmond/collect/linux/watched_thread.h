// A thread for work that may wait for ever in the kernel: for a process that holds its own memory map, for a file
// system in user space, for a server. Whoever waits for the work does so only until a deadline; then the thread is left
// behind where it hangs and another one takes its place. How many may hang is bounded.
//
// Thread: run() one at a time; the numbers any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace de::collect {

// What the work says about itself, from its own thread. Between enter() and leave() it may be left behind: it touches
// nothing then but what it owns together with others, and after a leave() that says false it returns at once.
class Watch {
 public:
  // What follows may take for ever, and is about `subject`.
  void enter(std::uint32_t subject);
  [[nodiscard]] bool leave();

 private:
  friend class WatchedThread;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point since_;
  std::uint32_t subject_ = 0;
  bool entered_ = false;
  bool left_behind_ = false;
};

class WatchedThread {
 public:
  struct Options {
    std::chrono::milliseconds deadline{250};
    std::uint32_t max_stuck = 16;
  };
  using Job = std::function<void(Watch&)>;

  explicit WatchedThread(Options options);
  ~WatchedThread();  // Does not wait for those that hang.
  WatchedThread(const WatchedThread&) = delete;
  WatchedThread& operator=(const WatchedThread&) = delete;

  // Runs the job to its end, or until it has been in one place for longer than the deadline: then it says in which, and
  // `job` lives on with its thread.
  std::optional<std::uint32_t> run(Job job);

  // No further one may hang: work that could is not to be begun.
  bool is_at_limit() const { return stuck() >= options_.max_stuck; }
  std::uint32_t stuck() const;     // Right now.
  std::uint64_t timeouts() const;  // Ever.
  bool is_stuck_in(std::uint32_t subject) const;

 private:
  struct Shared;
  struct Worker;
  static void work(std::shared_ptr<Worker> worker, std::shared_ptr<Shared> shared);

  const Options options_;
  const std::shared_ptr<Shared> shared_;
  std::shared_ptr<Worker> worker_;  // Begun with the first job.
};

}  // namespace de::collect
