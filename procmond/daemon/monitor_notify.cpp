// What procmond tells the service manager.
#include <boost/asio/post.hpp>

#include "daemon/monitor.h"

namespace de::daemon {

namespace {
constexpr auto kNoticeInterval = std::chrono::seconds(1);
constexpr auto kFirstInterval = std::chrono::milliseconds(50);  // Until the first scan is done: somebody waits for it.
}  // namespace

// Alive is who works: this loop, the thread that scans and the one that fetches events.
link::Task<> Monitor::notify_loop() {
  while (!stopping_) {
    const std::string standing = standing_still();
    if (standing.empty()) notify_.alive(clock_.steady_ns());
    // Only what a first scan has seen is a host that is watched.
    const bool is_ready = collect_counts_.scans > 0;
    if (is_ready) notify_.ready();
    notify_.status(standing.empty() ? describe() : standing);
    next_notice_.expires_after(is_ready ? kNoticeInterval : kFirstInterval);
    boost::system::error_code ec;
    co_await next_notice_.async_wait(link::into(ec));
  }
  co_return Result<>{};
}

// Which thread has stood still for too long; empty when none has.
std::string Monitor::standing_still() {
  const std::int64_t now_ns = clock_.steady_ns();
  if (collect_pulse_.ask()) boost::asio::post(collect_, [this] { collect_pulse_.beat(); });
  if (collect_pulse_.silent_ns(now_ns) > kStandstillNs) return "the thread that scans stands still";
  if (pump_ && pump_->pulse().silent_ns(now_ns) > kStandstillNs) return "the thread that fetches events stands still";
  return {};
}

std::string Monitor::describe() const {
  if (collect_counts_.scans == 0) return trouble_.empty() ? "the first scan runs" : trouble_;
  const std::string agent = uplink_->wants_snapshots() ? "the agent listens" : "no agent: events are spooled";
  const std::string& trouble = trouble_.empty() ? spool_trouble_ : trouble_;
  return "events by " + backend_ + "; " + agent + (trouble.empty() ? "" : "; " + trouble);
}

}  // namespace de::daemon
