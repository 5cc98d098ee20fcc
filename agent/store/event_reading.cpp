#include "store/event_reading.h"

#include <algorithm>
#include <utility>

namespace de::store {
namespace {

EventFilter within_filed_times(EventFilter filter) {
  filter.from_ms = std::clamp<std::int64_t>(filter.from_ms, 0, kEndOfTimeMs);
  filter.to_ms = std::clamp<std::int64_t>(filter.to_ms, 0, kEndOfTimeMs);
  return filter;
}

}  // namespace

DayEvents::DayEvents(DaySet& days, EventFilter filter, std::uint64_t upto)
    : days_(days), filter_(within_filed_times(std::move(filter))), upto_(upto) {
  if (filter_.from_ms >= filter_.to_ms || filter_.after >= upto_) return;
  left_ = days_.between(filter_.from_ms, filter_.to_ms);
  if (!filter_.newest_first) std::ranges::reverse(left_);
}

void DayEvents::leave() {
  reader_.reset();  // Before its day.
  left_.pop_back();
}

Result<bool> DayEvents::next(const EventFn& fn) {
  if (left_.empty()) return false;
  const std::shared_ptr<Day> day = left_.back();
  if (!reader_) reader_ = std::make_unique<EventReader>(*day, filter_, upto_);
  ReadOutcome outcome;
  auto done = reader_->page(fn, outcome);
  if (!done && done.error().code() != Errc::Corrupt) return fail(std::move(done).error().during(day->name()));
  if (!done) days_.quarantine(day, done.error().message());
  if (!done || *done) leave();
  return !left_.empty();
}

}  // namespace de::store
