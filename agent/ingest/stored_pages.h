// One reading of each table; StoredRows chooses among them.
//
// Thread: any; a reading belongs to one thread. The store outlives it.
#pragma once

#include <cstdint>

#include "mirror/stored_source.h"
#include "store/store.h"

namespace de::ingest {

// What a statement asks of events and of history alike, as the store is asked for it.
template <class Filter>
Filter filter_of(const mirror::StoredQuery& query) {
  Filter filter;
  filter.from_ms = query.from_ms;
  filter.to_ms = query.to_ms;
  filter.pid = query.pid;
  filter.ppid = query.ppid;
  filter.process_uid = query.process_uid;
  filter.name = query.name;
  filter.executable_hash = query.executable_hash;
  return filter;
}

mirror::NextRows read_stored_events(const store::Store& store, const mirror::StoredQuery& query);
mirror::NextRows read_stored_history(const store::Store& store, const mirror::StoredQuery& query);
mirror::NextRows read_stored_scans(const store::Store& store, const mirror::StoredQuery& query);
mirror::NextRows read_stored_alerts(const store::Store& store, const mirror::StoredQuery& query);
mirror::NextRows read_stored_traces(const store::Store& store, const mirror::StoredQuery& query);

// Whether the run that this thread works on has used up its time.
bool is_late();

}  // namespace de::ingest
