// Hands on the records of one scan once they have the columns on demand that somebody wants of them, and no others.
// Who has to be asked for them is asked together with others: such records come a little later.
//
// Thread: that of the scan.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "collect/column_plans.h"
#include "collect/on_demand.h"
#include "collect/process_source.h"
#include "daemoneye/process.pb.h"

namespace de::collect {

class WantedColumns {
 public:
  using RecordFn = std::function<void(pb::ProcessRecord&)>;

  // `plans`: null when every record has everything. All of them outlive the object. `demand` is what the source was
  // told.
  WantedColumns(ColumnPlans* plans, const Demand& demand, ProcessSource& source, const RecordFn& on_record)
      : plans_(plans), demand_(demand), source_(source), on_record_(on_record) {}

  void add(pb::ProcessRecord& record);
  void finish();  // Hands on who still waits.

 private:
  static constexpr std::size_t kMostWaiting = 64;
  static constexpr std::size_t kMostBytes = 1UL << 20;  // Of them together; one more record may be as large again.

  ColumnPlans* const plans_;
  const Demand demand_;
  ProcessSource& source_;
  const RecordFn& on_record_;
  std::vector<pb::ProcessRecord> waiting_;
  std::vector<Wanted> missing_;  // Of each that waits.
  std::size_t waiting_bytes_ = 0;
};

}  // namespace de::collect
