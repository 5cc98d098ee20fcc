#include "supervise/supervisor.h"

#include <poll.h>

#include <algorithm>

namespace de::supervise {
namespace {

std::int64_t to_ns(std::chrono::milliseconds time) { return std::chrono::nanoseconds(time).count(); }

}  // namespace

Supervisor::Supervisor(SupervisorOptions options, Launcher& launcher, const Clock& clock)
    : options_(std::move(options)), launcher_(launcher), clock_(clock), random_(std::random_device{}()) {}

Supervisor::~Supervisor() { (void)stop(std::chrono::milliseconds(0)); }  // A failure: the launcher's end ends it, too.

// Without asking the launcher.
bool Supervisor::has_ended() const {
  pollfd entry{running_->fd.get(), POLLIN, 0};
  return ::poll(&entry, 1, 0) != 0;
}

Supervisor::Change Supervisor::tick() {
  const std::int64_t now = clock_.steady_ns();
  if (running_) {
    if (!has_ended()) return Change::None;
    Result<ChildState> state = launcher_.poll(options_.program);
    if (state && state->kind == ChildState::Kind::Running) return Change::None;
    const bool was_stable = now - started_ns_ >= to_ns(options_.stable_after);
    running_.reset();
    ++counts_.ends;
    if (was_stable) failures_in_row_ = 0;
    if (!options_.auto_restart) wanted_ = false;
    return note_failure(Change::Ended, state ? describe(*state) : state.error().message(), now);
  }
  if (!wanted_ || now < next_start_ns_) return Change::None;
  return start_now(now);
}

Supervisor::Change Supervisor::start_now(std::int64_t now_ns) {
  std::vector<std::string> variables;
  if (options_.fresh_environment) {
    Result<std::vector<std::string>> fresh = options_.fresh_environment();
    if (!fresh) {
      ++counts_.start_failures;
      return note_failure(Change::StartFailed, fresh.error().message(), now_ns);
    }
    variables = std::move(*fresh);
  }
  Result<Launcher::Started> started = launcher_.start(options_.program, variables);
  if (!started) {
    ++counts_.start_failures;
    return note_failure(Change::StartFailed, started.error().message(), now_ns);
  }
  running_ = std::move(*started);
  started_ns_ = now_ns;
  ++counts_.starts;
  return Change::Started;
}

Supervisor::Change Supervisor::note_failure(Change change, std::string why, std::int64_t now_ns) {
  counts_.last_end = std::move(why);
  recent_ends_ns_.push_back(now_ns);
  while (recent_ends_ns_.size() > std::max(1U, options_.flapping_ends)) recent_ends_ns_.pop_front();
  next_start_ns_ = now_ns + next_pause_ns();
  return change;
}

// Doubles from first_pause to longest_pause; up to a quarter is taken off at random, so that several collectors that
// died together do not come back together.
std::int64_t Supervisor::next_pause_ns() {
  const std::int64_t longest = to_ns(options_.longest_pause);
  std::int64_t pause = std::min(to_ns(options_.first_pause), longest);
  for (unsigned i = 0; i < failures_in_row_ && pause < longest; ++i) pause = std::min(pause * 2, longest);
  if (pause < longest) ++failures_in_row_;
  return pause - std::uniform_int_distribution<std::int64_t>(0, pause / 4)(random_);
}

bool Supervisor::is_flapping(std::int64_t now_ns) const {
  return recent_ends_ns_.size() >= std::max(1U, options_.flapping_ends) &&
         now_ns - recent_ends_ns_.front() <= to_ns(options_.flapping_window);
}

Result<> Supervisor::stop(std::chrono::milliseconds grace) {
  wanted_ = false;
  if (!running_) return {};
  DE_TRY(state, launcher_.stop(options_.program, grace));
  counts_.last_end = "stopped: " + describe(state);
  running_.reset();
  return {};
}

void Supervisor::resume() {
  wanted_ = true;
  failures_in_row_ = 0;
  next_start_ns_ = clock_.steady_ns();
}

SupervisorCounts Supervisor::counts() const {
  SupervisorCounts counts = counts_;
  const std::int64_t now = clock_.steady_ns();
  counts.running = running_.has_value();
  counts.pid = running_ ? running_->pid : 0;
  counts.flapping = is_flapping(now);
  if (!running_ && wanted_)
    counts.next_start = std::chrono::ceil<std::chrono::milliseconds>(
        std::chrono::nanoseconds(std::max<std::int64_t>(0, next_start_ns_ - now)));
  return counts;
}

}  // namespace de::supervise
