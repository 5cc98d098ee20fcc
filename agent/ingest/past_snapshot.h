// A snapshot as it was, taken out of the store again.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <memory>

#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "mirror/image.h"
#include "store/store.h"

namespace de::ingest {

struct PastSnapshot {
  std::shared_ptr<const mirror::Image> image;
  // Of that snapshot; and whether it is as old as one would expect at that time.
  pb::Completeness completeness;
};

// The last one that was taken at `at_ms` or before. Errors: NotFound (none is so old; the message says which is the
// oldest), Exhausted, Io.
Result<PastSnapshot> past_snapshot(const store::Store& store, std::int64_t at_ms);

}  // namespace de::ingest
