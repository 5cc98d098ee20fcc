// What a collector of processes says of its tables when it greets: names, types, and what it can look for by itself.
// What the columns mean the agent knows, so that is not said.
//
// Thread: any (pure functions).
#pragma once

#include <optional>
#include <span>

#include "daemoneye/catalog.pb.h"
#include "daemoneye/process.pb.h"
#include "daemoneye/schema/table.h"

namespace de::schema {

constexpr std::uint32_t kDescriptorVersion = 1;

struct ProcessTables {
  bool takes_plans = false;  // Columns on demand are read when asked for; predicates are looked at.
  bool environment = true;   // Columns that are left out, because they could never be told.
  bool hashes = true;
};
// Adds `processes` and `processes.events`.
void describe_processes(const ProcessTables& told, pb::SchemaDescriptor& out);

// What a plan may ask of a column: of those that move all the time, are on demand or known late, nothing.
std::span<const pb::PredicateOp> ops_in_plans(const Column<pb::ProcessRecord>& column);

pb::ColumnType to_wire(SqlType type);
// Absent: a number that stands for no type of ours.
std::optional<SqlType> type_on_wire(pb::ColumnType type);

}  // namespace de::schema
