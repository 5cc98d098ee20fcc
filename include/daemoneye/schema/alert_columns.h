// The columns of `alerts`: every alert that is stored, one row each.
//
// Thread: any (immutable).
#pragma once

#include <span>

#include "daemoneye/alert.pb.h"
#include "daemoneye/schema/table.h"

namespace de::schema {

std::span<const Column<pb::Alert>> alert_columns();

// "low", "medium", "high", "critical"; "unknown" for SEVERITY_UNKNOWN.
std::string_view to_text(pb::Severity severity);
// "open", "acknowledged", "closed".
std::string_view to_text(pb::AlertState state);

}  // namespace de::schema
