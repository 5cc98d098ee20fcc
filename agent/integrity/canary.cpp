#include "integrity/canary.h"

#include <algorithm>
#include <utility>

namespace de::integrity {
namespace {

constexpr std::int64_t kClockStepMs = 1'000;  // By which the wall clock may have been set meanwhile.

bool is_its_exec(const pb::ProcessEvent& event, pid_t pid, std::int64_t not_before_ms) {
  return event.event_type() == pb::EVENT_TYPE_EXEC && event.process().pid() == static_cast<std::uint32_t>(pid) &&
         event.event_time_ms() >= not_before_ms - kClockStepMs;
}

}  // namespace

void Canary::give_up() {
  if (out_ != 0) ++counts_.given_up;
  out_ = 0;
}

bool Canary::is_overdue(std::int64_t now_ns) const {
  const std::int64_t waited_ns = now_ns - started_ns_;
  if (waited_ns <= options_.patience_ns) return false;
  const bool lags = arrived_ns_ > now_ns - options_.patience_ns && newest_ms_ < started_ms_;
  return !lags || waited_ns > options_.longest_lag_ns;
}

void Canary::start_one(std::int64_t now_ns) {
  next_ns_ = now_ns + options_.interval_ns;
  started_ms_ = clock_.unix_ms();
  auto started = program_.start();
  if (!started) return note_unseen(now_ns, "could not be started: " + started.error().message());
  ++counts_.started;
  is_running_ = true;
  out_ = *started;
  started_ns_ = clock_.steady_ns();
  arrived_ns_ = 0;
  newest_ms_ = 0;
}

void Canary::note_unseen(std::int64_t now_ns, std::string how) {
  how_unseen_ = std::move(how);
  if (unseen_in_row_ < options_.unseen_to_tell) ++unseen_in_row_;
  if (!is_unseen()) next_ns_ = now_ns;
}

void Canary::tick(const std::string& why_not) {
  if (options_.interval_ns == 0) return;
  if (is_running_) is_running_ = !program_.has_ended();
  const std::int64_t now_ns = clock_.steady_ns();
  const std::int64_t looked_ns = std::exchange(looked_ns_, now_ns);
  const bool stood_still = looked_ns != 0 && now_ns - looked_ns > options_.standstill_ns;
  why_not_ = why_not;
  if (!why_not.empty()) {
    give_up();
    unseen_in_row_ = 0;
    next_ns_ = now_ns;
    return;
  }
  if (out_ != 0 && stood_still) started_ns_ = now_ns;
  if (out_ != 0 && is_overdue(now_ns)) {
    ++counts_.unseen;
    note_unseen(now_ns, "ran as process " + std::to_string(std::exchange(out_, 0)) + " and no event told of it");
  }
  if (out_ == 0 && now_ns >= next_ns_) start_one(now_ns);
}

void Canary::look_at(const pb::EventBatch& events) {
  if (out_ == 0) return;
  arrived_ns_ = clock_.steady_ns();
  for (const pb::ProcessEvent& event : events.events()) {
    newest_ms_ = std::max(newest_ms_, event.event_time_ms());
    if (!is_its_exec(event, out_, started_ms_)) continue;
    ++counts_.seen;
    counts_.last_took_ns = clock_.steady_ns() - started_ns_;
    out_ = 0;
    unseen_in_row_ = 0;
    return;
  }
}

std::vector<pb::Reason> Canary::reasons() const {
  std::vector<pb::Reason> out;
  if (!is_unseen()) return out;
  pb::Reason& reason = out.emplace_back();
  reason.set_reason("CanaryUnseen");
  reason.set_collector("procmond");
  reason.set_detail("a program that is only there to be seen " + how_unseen_);
  return out;
}

std::string Canary::describe() const {
  if (options_.interval_ns == 0) return "switched off: canary.interval_secs is 0";
  std::string out = std::to_string(counts_.seen) + " of " + std::to_string(counts_.started) + " seen";
  if (counts_.seen > 0) out += ", the last one within " + std::to_string(counts_.last_took_ns / 1'000'000) + " ms";
  if (unseen_in_row_ > 0) out += "; the last one " + how_unseen_;
  if (!why_not_.empty()) out += "; none is started: " + why_not_;
  return out;
}

}  // namespace de::integrity
