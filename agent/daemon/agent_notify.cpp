// What the agent tells the service manager.
#include <boost/asio/post.hpp>

#include "daemon/agent.h"

namespace de::daemon {

namespace {
constexpr auto kNoticeInterval = std::chrono::seconds(1);
}

// Ready is who answers: the sockets are open, and this runs on the thread that serves them. Collectors come later; what
// waits for them is in the status. Alive is who works: that thread, the one that stores and the one that runs rules.
link::Task<> Agent::notify_loop() {
  notify_.ready();
  while (!stopping_) {
    const std::string standing = standing_still();
    if (standing.empty()) notify_.alive(clock_.steady_ns());
    notify_.status(standing.empty() ? describe() : standing);
    next_notice_.expires_after(kNoticeInterval);
    boost::system::error_code ec;
    co_await next_notice_.async_wait(link::into(ec));
  }
  co_return Result<>{};
}

// Which thread has stood still for too long; empty when none has.
std::string Agent::standing_still() {
  const std::int64_t now_ns = clock_.steady_ns();
  if (writer_pulse_.ask()) boost::asio::post(writer_, [this] { writer_pulse_.beat(); });
  if (detect_pulse_.ask()) boost::asio::post(detect_, [this] { detect_pulse_.beat(); });
  if (writer_pulse_.silent_ns(now_ns) > kStandstillNs) return "the thread that stores stands still";
  if (detect_pulse_.silent_ns(now_ns) > kStandstillNs) return "the thread that runs rules stands still";
  return {};
}

std::string Agent::describe() const {
  std::string text(to_text(state_));
  if (state_ == State::Loading || state_ == State::StartupFailed) text += ": waits for a collector";
  for (const auto& [id, session] : sessions_) text += (&id == &sessions_.begin()->first ? ": " : ", ") + id;
  return text;
}

}  // namespace de::daemon
