// What an alert rests on: the stored row it was raised about, and whether its rule, asked of that row again, says the
// same.
//
// Thread: any.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemoneye/alert.pb.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "detect/rule.h"
#include "mirror/session.h"
#include "mirror/stored_source.h"
#include "store/store.h"

namespace de::ingest {

struct EvidenceSources {
  const store::Store& store;
  const mirror::StoredSource& stored;
  const mirror::HostSource* host = nullptr;  // As it is now; null: the rule sees no host.
};

struct Evidence {
  std::string sql;  // What returns the row; empty when the alert rests on none that is stored.
  std::vector<std::string> columns;
  std::optional<pb::Row> row;       // Absent: it is not stored any more.
  std::string verdict;              // "the rule, asked again, has the same match", or why not.
  bool is_reproduced = false;       // It is just that.
  std::vector<pb::Reason> missing;  // Why what is stored of that time may be incomplete.
};

// `rule` is the one with the alert's rule_id as it is now; null when there is none. `budget` is of each look. Errors:
// those of the sources; a rule that cannot be run is a verdict.
Result<Evidence> find_evidence(const EvidenceSources& sources, const pb::Alert& alert, const detect::Rule* rule,
                               const mirror::Budget& budget, const Clock& clock);

}  // namespace de::ingest
