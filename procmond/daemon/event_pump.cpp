#include "daemon/event_pump.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <system_error>

namespace de::daemon {
namespace {

constexpr int kIdleMs = 1'000;  // A wake-up that was missed costs this much at most.
// An event can be sent without a wake-up just before the pause begins: one more look makes sure.
constexpr int kQuietRounds = 2;

}  // namespace

EventPump::EventPump(collect::Collector& collector, Limits limits, Hooks hooks, UniqueFd stop)
    : collector_(collector), limits_(limits), hooks_(std::move(hooks)), stop_(std::move(stop)) {}

Result<std::unique_ptr<EventPump>> EventPump::start(collect::Collector& collector, Limits limits, Hooks hooks) {
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return fail(Errc::Exhausted, "create eventfd", last_os_error());
  std::unique_ptr<EventPump> pump(new EventPump(collector, limits, std::move(hooks), std::move(stop)));
  try {
    pump->thread_ = std::thread([self = pump.get()] { self->run(); });
  } catch (const std::system_error& error) {
    return fail(Errc::Exhausted, "start thread", error.code());
  }
  return pump;
}

EventPump::~EventPump() {
  const std::uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);  // Cannot fail: the counter is far from full.
  if (thread_.joinable()) thread_.join();
}

// False when it is time to stop. A negative wake_fd only waits.
bool EventPump::wait(int wake_fd, int timeout_ms) const {
  pollfd fds[2] = {{stop_.get(), POLLIN, 0}, {wake_fd, POLLIN, 0}};
  (void)::poll(fds, 2, timeout_ms);  // Interrupted: looks early, which harms nobody.
  return (fds[0].revents & POLLIN) == 0;
}

void EventPump::run() {
  int quiet = kQuietRounds;
  for (;;) {
    const bool busy = quiet < kQuietRounds;
    const int wake_fd = busy ? -1 : collector_.wake_fd();
    if (!wait(wake_fd, busy ? static_cast<int>(limits_.latency_ms) : kIdleMs)) return;
    if (waiting_ >= limits_.waiting_bytes) continue;
    auto collected = collector_.collect_events();
    if (!collected) {
      hooks_.on_end(collected.error().message());
      return;
    }
    const std::size_t events = collected->events.size();
    quiet = events > 0 ? 0 : quiet + (busy ? 1 : 0);
    if (events == 0 && collected->lost == 0) continue;
    waiting_ += collected->events.bytes.size();
    hooks_.hand_on(std::move(*collected));
  }
}

}  // namespace de::daemon
