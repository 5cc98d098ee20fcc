// What this collector makes of given values and predicates, so that the agent can compare it with its own SQL before it
// relies on plans. Nothing is collected.
//
// Thread: any (pure functions).
#pragma once

#include "daemoneye/base/result.h"
#include "daemoneye/tasks.pb.h"

namespace de::collect {

constexpr int kMaxConformanceCases = 4'096;

// One outcome for each case, into `result`. Refused is a case whose predicate no plan could have, or whose value is not
// of the type it claims. Errors: TooLarge (more cases than are taken).
Result<> check_conformance(const pb::ConformanceCheck& check, pb::DetectionResult& result);

}  // namespace de::collect
