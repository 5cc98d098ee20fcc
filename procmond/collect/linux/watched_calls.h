// Single calls that may wait for ever in the kernel, on a watched thread of their own.
//
// Thread: any; one waits for another.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "collect/linux/proc_root.h"
#include "collect/linux/watched_thread.h"
#include "daemoneye/base/result.h"

namespace de::collect {

class WatchedCalls {
 public:
  // `max_stuck`: how many calls may hang, beyond which none is begun.
  WatchedCalls(SharedProcRoot root, std::uint32_t max_stuck)
      : root_(std::move(root)), thread_({root_->options.deadline, max_stuck}) {}

  // `call` may go on when nobody is interested any more: it owns what it uses. Errors besides its own: Timeout.
  template <class T>
  Result<T> run(std::uint32_t subject, const char* what, std::function<Result<T>(const ProcRoot&)> call) {
    const std::lock_guard lock(mutex_);
    if (thread_.is_at_limit() || thread_.is_stuck_in(subject)) return fail(Errc::Timeout, what);
    struct Calling {
      std::function<Result<T>(const ProcRoot&)> call;
      Result<T> answer;
    };
    auto calling = std::make_shared<Calling>(Calling{std::move(call), fail(Errc::Timeout, what)});
    const auto hung = thread_.run([calling, root = root_, subject](Watch& watch) {
      watch.enter(subject);
      Result<T> answer = calling->call(*root);
      if (watch.leave()) calling->answer = std::move(answer);
    });
    if (hung) return fail(Errc::Timeout, what);
    return std::move(calling->answer);
  }

  bool is_stuck_in(std::uint32_t subject) const { return thread_.is_stuck_in(subject); }
  std::uint32_t stuck() const { return thread_.stuck(); }
  std::uint64_t timeouts() const { return thread_.timeouts(); }

 private:
  const SharedProcRoot root_;
  std::mutex mutex_;  // One at a time.
  WatchedThread thread_;
};

}  // namespace de::collect
