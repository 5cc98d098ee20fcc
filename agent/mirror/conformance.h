// Whether a collector compares as SQLite does. It is asked what it makes of given values, and SQLite is asked the same;
// only an operation in which both agree everywhere is left to the collector.
//
// Thread: any.
#pragma once

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/catalog.pb.h"
#include "daemoneye/tasks.pb.h"

namespace de::mirror {

using Operation = std::pair<pb::ColumnType, pb::PredicateOp>;

// For each operation values that are missing, of the wrong type, of other case and encoding, and at the edges; in parts
// that fit a message.
std::vector<pb::ConformanceCheck> conformance_checks();

class Conformance {
 public:
  Conformance();
  ~Conformance();
  // Errors: Corrupt (not one outcome for each case), Io, Exhausted.
  Result<> take(const pb::ConformanceCheck& cases, const pb::DetectionResult& outcomes);
  // The operations of which every case that was not refused came out as in SQLite, and at least one was admitted and
  // one excluded.
  std::set<Operation> conforming() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace de::mirror
