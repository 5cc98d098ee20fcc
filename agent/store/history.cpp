#include "store/history.h"

#include <algorithm>
#include <utility>

namespace de::store {
namespace {

// What the day can be asked for, before anything is rebuilt.
std::vector<LifeFilter> indexed(const HistoryFilter& filter) {
  std::vector<LifeFilter> out;
  if (filter.pid) out.emplace_back().pid = filter.pid;
  if (filter.ppid) out.emplace_back().ppid = filter.ppid;
  if (!filter.name.empty()) out.emplace_back().name = filter.name;
  if (!filter.executable_hash.empty()) out.emplace_back().executable_hash = filter.executable_hash;
  return out;
}

HistoryFilter within_time(HistoryFilter filter) {
  filter.from_ms = std::clamp<std::int64_t>(filter.from_ms, 0, kEndOfTimeMs);
  filter.to_ms = std::clamp<std::int64_t>(filter.to_ms, 0, kEndOfTimeMs);
  return filter;
}

}  // namespace

DayHistory::DayHistory(DaySet& days, HistoryFilter filter) : days_(days), filter_(within_time(std::move(filter))) {
  if (filter_.from_ms >= filter_.to_ms) return;
  left_ = days_.between(filter_.from_ms, filter_.to_ms);
  std::ranges::reverse(left_);
}

// False: nobody who is asked for lived on this day.
Result<bool> DayHistory::open(const Day& day) {
  for (const LifeFilter& life : indexed(filter_)) {
    DE_TRY(known, knows_life(day, life));
    if (!known) return false;
  }
  reader_ = std::make_unique<ScanReader>(day);
  place_ = {{static_cast<std::uint64_t>(filter_.from_ms), 0}, 0};
  return true;
}

void DayHistory::leave() {
  if (reader_) left_.back()->env().forget_pages();
  reader_.reset();
  left_.pop_back();
}

Result<bool> DayHistory::next(const HistoryFn& fn) {
  if (left_.empty()) return false;
  const std::shared_ptr<Day> day = left_.back();
  const auto step = [&]() -> Result<bool> {
    if (!reader_) {
      DE_TRY(opened, open(*day));
      if (!opened) return true;
    }
    return reader_->page(place_, static_cast<std::uint64_t>(filter_.to_ms), filter_, fn);
  };
  auto done = step();
  if (!done && done.error().code() != Errc::Corrupt) return fail(std::move(done).error().during(day->name()));
  if (!done) days_.quarantine(day, done.error().message());
  if (!done || *done) leave();
  return !left_.empty();
}

}  // namespace de::store
