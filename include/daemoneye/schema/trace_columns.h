// The columns of `traces`: one row for each thing that was read of a process because a rule asked for a trace of it.
//
// Thread: any (immutable).
#pragma once

#include <span>

#include "daemoneye/schema/table.h"
#include "daemoneye/trace.pb.h"

namespace de::schema {

// Both borrowed. A capture without items has one row without any.
struct TraceRow {
  const pb::Capture* capture = nullptr;
  const pb::CapturedItem* item = nullptr;
  std::uint32_t place = 0;  // Of the item in the capture.
};

std::span<const Column<TraceRow>> trace_columns();

}  // namespace de::schema
