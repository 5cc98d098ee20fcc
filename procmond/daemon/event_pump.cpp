#include "daemon/event_pump.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <system_error>

namespace de::daemon {
namespace {

constexpr int kIdleMs = 1'000;  // A wake-up that was missed costs this much at most.
// Fewer than these in a round, and it is cheaper to be woken for the next one than to go on looking.
constexpr std::size_t kFew = 6;

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
  const int latency_ms = static_cast<int>(limits_.latency_ms);
  bool is_batching = false;  // What happens is fetched in rounds, without being woken.
  bool is_sure = false;      // Nothing happened while we fell asleep.
  for (;;) {
    if (!is_batching) collector_.fall_asleep();
    const int patience_ms = is_batching || !is_sure ? latency_ms : kIdleMs;
    if (!wait(is_batching ? -1 : collector_.wake_fd(), patience_ms)) return;
    if (waiting_ >= limits_.waiting_bytes) {
      is_batching = true;  // What is readable would wake us again at once.
      continue;
    }
    auto collected = collector_.collect_events(is_batching);
    if (!collected) {
      hooks_.on_end(collected.error().message());
      return;
    }
    const std::size_t events = collected->events.size() + collected->held;
    is_sure = !is_batching && events == 0;
    is_batching = is_batching ? events >= kFew : events > 0;
    if (collected->events.empty() && collected->lost == 0) continue;
    waiting_ += collected->events.bytes.size();
    hooks_.hand_on(std::move(*collected));
  }
}

}  // namespace de::daemon
