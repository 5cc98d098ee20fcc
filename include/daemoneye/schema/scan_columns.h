// The columns of `scans`: one row for every snapshot that is stored; and what a row of `processes.history` has beside
// the columns of a process: the scan it comes from.
//
// Thread: any (immutable).
#pragma once

#include <span>
#include <string>

#include "daemoneye/broker.pb.h"
#include "daemoneye/schema/table.h"

namespace de::schema {

struct ScanRow {
  std::string collector;
  std::uint64_t scan_id = 0;
  std::int64_t time_ms = 0;
  std::uint64_t rows = 0;
  pb::ScanSummary summary;
};

std::span<const Column<ScanRow>> scan_columns();
// scan_id, collection_time_ms, collection_time and collector: the last columns of `processes.history`.
std::span<const Column<ScanRow>> scan_place_columns();

}  // namespace de::schema
