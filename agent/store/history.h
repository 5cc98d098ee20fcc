// Reads stored scans row by row in pieces, so that no read transaction outlives a piece, whoever is slow.
//
// A day is read along the chains of its scans; what a piece left unfinished is gone on with where it stands. A day that
// does not check is quarantined, and the reading goes on with the next one.
//
// Thread: any; one reading belongs to one thread. The store outlives it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "store/day_set.h"
#include "store/life_reader.h"
#include "store/scan_reader.h"
#include "store/store.h"

namespace de::store {

class DayHistory final : public HistoryReading {
 public:
  DayHistory(DaySet& days, HistoryFilter filter);
  Result<bool> next(const HistoryFn& fn) override;

 private:
  Result<bool> open(const Day& day);
  void leave();

  DaySet& days_;
  const HistoryFilter filter_;
  std::vector<std::shared_ptr<Day>> left_;  // The next one is the last.
  std::unique_ptr<ScanReader> reader_;      // Of that day, once it is begun.
  ScanPlace place_;
};

}  // namespace de::store
