#include "ingest/event_queue.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "daemoneye/log/log.h"
#include "ingest/reason.h"

namespace de::ingest {

void EventQueue::drop_front() {
  bytes_ -= events_.front().bytes;
  events_.pop_front();
}

void EventQueue::push(const std::string& collector, const std::string& spool_id, std::uint64_t committed,
                      const std::shared_ptr<const pb::EventBatch>& events, std::size_t bytes) {
  if (events->events().empty()) return;
  std::unique_lock lock(mutex_);
  if (pushed_to_.size() >= kMaxSpools && !pushed_to_.contains({collector, spool_id})) pushed_to_.clear();
  std::uint64_t& known = pushed_to_[{collector, spool_id}];
  known = std::max(known, committed);
  const auto shared = std::make_shared<const std::string>(collector);
  const std::size_t bytes_each = bytes / static_cast<std::size_t>(events->events_size()) + 1;
  for (const pb::ProcessEvent& event : events->events()) {
    if (event.sequence() <= known) continue;
    known = event.sequence();
    bytes_ += bytes_each;
    events_.push_back({{shared, std::shared_ptr<const pb::ProcessEvent>(events, &event)}, bytes_each});
    ++counts_.pushed;
  }
  const std::uint64_t before = counts_.skipped;
  // One event is taken however large it is.
  while (events_.size() > kMaxEvents || (bytes_ > kMaxBytes && events_.size() > 1)) {
    drop_front();
    ++counts_.skipped;
  }
  const bool has_skipped = counts_.skipped != before;
  const bool is_news = has_skipped && clock_.unix_ms() - skipped_at_ms_ > kToldForMs;
  if (has_skipped) skipped_at_ms_ = clock_.unix_ms();
  lock.unlock();  // Or whoever is woken waits for it at once.
  come_.notify_one();
  // One log line an hour; health has the number.
  if (is_news) log::warn("detect", "events arrive faster than rules can look at them; the oldest are passed over");
}

void EventQueue::forget(const std::string& collector) {
  const std::lock_guard lock(mutex_);
  std::erase_if(pushed_to_, [&](const auto& entry) { return entry.first.first == collector; });
}

std::size_t EventQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

EventQueueCounts EventQueue::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::vector<NewEvent> EventQueue::pop(std::chrono::milliseconds patience) {
  std::vector<NewEvent> out;
  std::unique_lock lock(mutex_);
  if (events_.empty() && patience.count() > 0) come_.wait_for(lock, patience, [this] { return !events_.empty(); });
  while (!events_.empty() && out.size() < kRunEvents) {
    out.push_back(std::move(events_.front().event));
    drop_front();
    ++counts_.popped;
  }
  return out;
}

std::vector<pb::Reason> EventQueue::reasons() const {
  const std::lock_guard lock(mutex_);
  if (counts_.skipped == 0 || clock_.unix_ms() - skipped_at_ms_ > kToldForMs) return {};
  return {make_reason("ResourceLimit", "rules passed over " + std::to_string(counts_.skipped) +
                                           " events because too many came at once; they are stored")};
}

}  // namespace de::ingest
