#include "collect/linux/watched_thread.h"

#include <algorithm>
#include <condition_variable>
#include <thread>
#include <utility>
#include <vector>

namespace de::collect {

void Watch::enter(std::uint32_t subject) {
  const std::lock_guard lock(mutex_);
  subject_ = subject;
  since_ = std::chrono::steady_clock::now();
  entered_ = true;
}

bool Watch::leave() {
  const std::lock_guard lock(mutex_);
  entered_ = false;
  return !left_behind_;
}

struct WatchedThread::Worker {
  std::mutex mutex;
  std::condition_variable wake;
  Job job;
  bool is_done = true;
  bool ends = false;
  Watch watch;
};

struct WatchedThread::Shared {
  mutable std::mutex mutex;
  std::vector<std::uint32_t> stuck_in;  // One per thread that hangs.
  std::uint64_t timeouts = 0;
};

WatchedThread::WatchedThread(Options options) : options_(options), shared_(std::make_shared<Shared>()) {}

WatchedThread::~WatchedThread() {
  if (!worker_) return;
  {
    const std::lock_guard lock(worker_->mutex);
    worker_->ends = true;
  }
  worker_->wake.notify_all();
}

std::uint32_t WatchedThread::stuck() const {
  const std::lock_guard lock(shared_->mutex);
  return static_cast<std::uint32_t>(shared_->stuck_in.size());
}

std::uint64_t WatchedThread::timeouts() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->timeouts;
}

bool WatchedThread::is_stuck_in(std::uint32_t subject) const {
  const std::lock_guard lock(shared_->mutex);
  return std::find(shared_->stuck_in.begin(), shared_->stuck_in.end(), subject) != shared_->stuck_in.end();
}

void WatchedThread::work(std::shared_ptr<Worker> worker, std::shared_ptr<Shared> shared) {
  std::unique_lock lock(worker->mutex);
  for (;;) {
    worker->wake.wait(lock, [&] { return worker->ends || !worker->is_done; });
    if (worker->is_done) return;
    lock.unlock();
    worker->job(worker->watch);
    lock.lock();
    worker->job = nullptr;
    worker->is_done = true;
    {
      const std::lock_guard watched(worker->watch.mutex_);
      if (worker->watch.left_behind_) break;
    }
    worker->wake.notify_all();
  }
  const std::lock_guard counted(shared->mutex);
  const auto own = std::find(shared->stuck_in.begin(), shared->stuck_in.end(), worker->watch.subject_);
  if (own != shared->stuck_in.end()) shared->stuck_in.erase(own);
}

std::optional<std::uint32_t> WatchedThread::run(Job job) {
  if (!worker_) {
    worker_ = std::make_shared<Worker>();
    std::thread([worker = worker_, shared = shared_] { work(worker, shared); }).detach();
  }
  std::optional<std::uint32_t> hung;
  std::unique_lock lock(worker_->mutex);
  worker_->job = std::move(job);
  worker_->is_done = false;
  worker_->wake.notify_all();
  const auto is_done = [this] { return worker_->is_done; };
  while (!worker_->wake.wait_for(lock, options_.deadline / 4, is_done)) {
    Watch& watch = worker_->watch;
    const std::lock_guard watched(watch.mutex_);
    if (!watch.entered_ || std::chrono::steady_clock::now() - watch.since_ < options_.deadline) continue;
    watch.left_behind_ = true;
    const std::uint32_t subject = watch.subject_;
    const std::lock_guard counted(shared_->mutex);
    shared_->stuck_in.push_back(subject);
    ++shared_->timeouts;
    hung = subject;
    break;
  }
  lock.unlock();
  if (hung) worker_.reset();
  return hung;
}

}  // namespace de::collect
