// Reads stored events one by one as somebody asks, day by day, so that no read transaction outlives a piece.
//
// What is committed after it began is not part of it. A day that does not check is quarantined, and the reading goes on
// with the next one.
//
// Thread: any; one reading belongs to one thread. The store outlives it.
#pragma once

#include <memory>
#include <vector>

#include "store/day_set.h"
#include "store/event_reader.h"
#include "store/store.h"

namespace de::store {

class DayEvents final : public EventReading {
 public:
  DayEvents(DaySet& days, EventFilter filter, std::uint64_t upto);
  Result<bool> next(const EventFn& fn) override;

 private:
  void leave();

  DaySet& days_;
  const EventFilter filter_;
  const std::uint64_t upto_;
  std::vector<std::shared_ptr<Day>> left_;  // The next one is the last.
  std::unique_ptr<EventReader> reader_;     // Of that day, once it is begun.
};

}  // namespace de::store
