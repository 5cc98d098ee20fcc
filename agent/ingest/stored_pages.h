// One reading of each table; StoredRows chooses among them.
//
// Thread: any; a reading belongs to one thread. The store outlives it.
#pragma once

#include <cstdint>

#include "mirror/stored_source.h"
#include "store/store.h"

namespace de::ingest {

struct TimeSpan {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
};

// `kept`: where events can be expected.
mirror::NextRows read_stored_events(const store::Store& store, const mirror::StoredQuery& query, TimeSpan kept);
mirror::NextRows read_stored_history(const store::Store& store, const mirror::StoredQuery& query);
mirror::NextRows read_stored_scans(const store::Store& store, const mirror::StoredQuery& query);
mirror::NextRows read_stored_alerts(const store::Store& store, const mirror::StoredQuery& query);

// Whether the run that this thread works on has used up its time.
bool is_late();

}  // namespace de::ingest
