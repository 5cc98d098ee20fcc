#include "ingest/live_rules.h"

#include <algorithm>
#include <utility>

#include "detect/rule_book.h"

namespace de::ingest {
namespace {

constexpr std::int64_t kMinuteNs = 60'000'000'000;

}  // namespace

void LiveJobs::add(LiveJob job) {
  for (LiveJob& waiting : jobs_) {
    if (waiting.rule->id != job.rule->id ||
        (waiting.from_ms == mirror::kNoStartMs) != (job.from_ms == mirror::kNoStartMs))
      continue;
    if (job.from_ms == mirror::kNoStartMs) {
      waiting.rule = std::move(job.rule);  // The snapshot it will see is the newest.
      return;
    }
    if (job.from_ms > waiting.to_ms + kTogetherMs || job.to_ms < waiting.from_ms - kTogetherMs) continue;
    waiting.from_ms = std::min(waiting.from_ms, job.from_ms);
    waiting.to_ms = std::max(waiting.to_ms, job.to_ms);
    return;
  }
  if (jobs_.size() < kMax)
    jobs_.push_back(std::move(job));
  else
    ++shed_;
}

LiveJob LiveJobs::pop() {
  LiveJob job = std::move(jobs_.front());
  jobs_.pop_front();
  return job;
}

std::size_t LiveBudget::left(const std::string& rule_id, std::int64_t now_ns) {
  if (of_.size() > 2 * detect::kMaxRules) of_.clear();
  Minute& minute = of_[rule_id];
  if (minute.since_ns == 0 || now_ns - minute.since_ns >= kMinuteNs) minute = {now_ns, 0};
  return minute.used >= per_minute_ ? 0 : per_minute_ - minute.used;
}

}  // namespace de::ingest
