// The columns of `processes` (also called `processes.snapshots`): the current snapshot, one row per process.
//
// Thread: any (immutable).
#pragma once

#include <span>

#include "daemoneye/process.pb.h"
#include "daemoneye/schema/table.h"

namespace de::schema {

// SQL shows at most this much of an argv; `command_line_length` tells the whole length.
constexpr std::size_t kSqlTextBytes = 64UL * 1024;

std::span<const Column<pb::ProcessRecord>> process_columns();

// The text form of a 16-byte process_uid: 8-4-4-4-12 hexadecimal; empty when `bytes` is not 16 long.
std::string uid_text(std::string_view bytes);

}  // namespace de::schema
