#include "daemon/event_pump.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <chrono>
#include <system_error>
#include <utility>

namespace de::daemon {
namespace {

using std::chrono::steady_clock;

constexpr int kIdleMs = 1'000;  // A wake-up that was missed costs this much at most.
// Fewer than these in a round, and it is cheaper to be woken for the next one than to go on looking.
constexpr std::size_t kFew = 4;

// What waits for company, of the latency that is allowed: longer than a program takes that does next to nothing.
int company_ms(std::uint32_t latency_ms) { return static_cast<int>(latency_ms * 2 / 5); }

}  // namespace

EventPump::EventPump(const boost::asio::any_io_executor& executor, collect::Collector& collector, Limits limits,
                     Hooks hooks)
    : collector_(collector), limits_(limits), hooks_(std::move(hooks)), listener_(executor) {}

Result<std::unique_ptr<EventPump>> EventPump::start(const boost::asio::any_io_executor& executor,
                                                    collect::Collector& collector, Limits limits, Hooks hooks) {
  std::unique_ptr<EventPump> pump(new EventPump(executor, collector, limits, std::move(hooks)));
  pump->stop_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  pump->bell_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!pump->stop_ || !pump->bell_) return fail(Errc::Exhausted, "create eventfd", last_os_error());
  boost::system::error_code ec;
  pump->listener_.assign(pump->bell_.get(), ec);
  if (ec) return fail(Errc::Exhausted, "watch eventfd", ec);
  try {
    pump->thread_ = std::thread([self = pump.get()] { self->run(); });
  } catch (const std::system_error& error) {
    return fail(Errc::Exhausted, "start thread", error.code());
  }
  pump->listen();
  return pump;
}

EventPump::~EventPump() {
  self_.reset();
  join();
}

void EventPump::join() {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);  // Cannot fail: the counter is far from full.
  if (thread_.joinable()) thread_.join();
  // bell_ closes it. Whoever runs io has nothing to wait for any more.
  if (listener_.is_open()) (void)listener_.release();
}

void EventPump::stop() {
  join();
  for (collect::Collected& collected : std::exchange(fetched_, {})) hooks_.hand_on(std::move(collected));
}

// Not boost::asio::post(): it wakes the io thread while it holds the lock that the io thread then waits for.
void EventPump::ring() const {
  const std::uint64_t one = 1;
  (void)!::write(bell_.get(), &one, sizeof one);
}

void EventPump::pass(collect::Collected collected) {
  waiting_ += collected.events.bytes.size();
  {
    const std::lock_guard lock(mutex_);
    fetched_.push_back(std::move(collected));
  }
  ring();
}

void EventPump::end(std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
    why_ = std::move(reason);
  }
  ring();
}

void EventPump::listen() {
  listener_.async_read_some(boost::asio::buffer(&rung_, sizeof rung_),
                            [weak = std::weak_ptr(self_)](boost::system::error_code ec, std::size_t) {
                              const auto self = weak.lock();
                              if (!ec && self) (*self)->hand_on();
                            });
}

void EventPump::hand_on() {
  std::vector<collect::Collected> fetched;
  bool has_ended = false;
  {
    const std::lock_guard lock(mutex_);
    fetched.swap(fetched_);
    has_ended = has_ended_;
  }
  for (collect::Collected& collected : fetched) hooks_.hand_on(std::move(collected));
  if (!has_ended) return listen();
  const auto on_end = hooks_.on_end;  // Which may destroy us.
  on_end(std::string(why_));
}

// False when it is time to stop. A negative wake_fd only waits.
bool EventPump::wait(int wake_fd, int timeout_ms) const {
  pollfd fds[2] = {{stop_.get(), POLLIN, 0}, {wake_fd, POLLIN, 0}};
  (void)::poll(fds, 2, timeout_ms);  // Interrupted: looks early, which harms nobody.
  return (fds[0].revents & POLLIN) == 0;
}

void EventPump::run() {
  const int latency_ms = static_cast<int>(limits_.latency_ms);
  bool is_batching = false;  // What happens is fetched in rounds, without being woken.
  for (;;) {
    pulse_.beat();
    bool is_busy = is_batching;
    if (is_batching) {
      if (!wait(-1, latency_ms)) return;
    } else {
      collector_.fall_asleep();
      const auto asleep_since = steady_clock::now();
      if (!wait(collector_.wake_fd(), kIdleMs)) return;
      // Hardly asleep, and woken already.
      is_busy = steady_clock::now() - asleep_since < std::chrono::milliseconds(latency_ms);
      if (!wait(-1, company_ms(limits_.latency_ms))) return;
    }
    if (waiting_ >= limits_.waiting_bytes) {
      is_batching = true;  // What is readable would wake us again at once.
      continue;
    }
    auto collected = collector_.collect_events(is_batching);
    if (!collected) return end(collected.error().message());
    is_batching = collected->held > 0 || (is_busy && collected->events.size() >= kFew);
    if (!collected->events.empty() || collected->lost > 0) pass(std::move(*collected));
  }
}

}  // namespace de::daemon
