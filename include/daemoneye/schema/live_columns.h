// Tables of procmond's whose rows are read when somebody asks for them, process by process, and are nowhere before.
//
// Thread: any (immutable).
#pragma once

#include <span>
#include <string_view>

#include "daemoneye/schema/table.h"

namespace de::schema {

// Each has `pid` as its first column: what it is asked by.
std::span<const TableInfo> live_tables();
// Null when there is none; `open_files` finds `processes.open_files`.
const TableInfo* find_live_table(std::string_view name);

}  // namespace de::schema
