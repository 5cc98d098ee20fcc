// The columns of a process that change from scan to scan, and the split of a record into them and the rest.
//
// Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/process.pb.h"
#include "store/wire_walk.h"

namespace de::store {

enum class Metric : std::uint8_t {
  CpuUsage,  // The bits of the double.
  MemoryUsage,
  VirtualMemory,
  Threads,
  FdCount,
  CpuUserMs,
  CpuSystemMs,
  IoReadBytes,
  IoWriteBytes,
  State  // Packed: size in the low three bits, then the bytes.
};
constexpr std::size_t kMetricCount = 10;

struct Metrics {
  std::array<std::uint64_t, kMetricCount> value{};  // Zero when absent.
  std::uint16_t present = 0;                        // One bit per metric.
  bool operator==(const Metrics&) const = default;
};

Metrics metrics_of(const pb::ProcessRecord& record);
void apply_metrics(const Metrics& metrics, pb::ProcessRecord& record);

// A serialized record, cut into groups of fields that tend to repeat together. The groups joined in any order parse to
// the record without its metrics and collection time.
struct RecordParts {
  std::string identity;  // pid, ppid, start, uids of the process and its parent, pidfs inode: never the same twice.
  std::string image;     // Name and executable.
  std::string command;   // Arguments and environment.
  std::string owner;     // User, namespaces, limits, everything else, unknown fields too.
  std::string varying;   // Metrics and collection time, as they were.
};

enum class RecordPart : std::uint8_t { Identity, Image, Command, Owner, Varying };
// Where a field of a serialized ProcessRecord belongs.
RecordPart part_of(const WireField& field);

// Corrupt when `serialized` is not protobuf wire format (or uses groups, which nobody has written since 2008).
Result<> split_record(std::string_view serialized, RecordParts& parts);

}  // namespace de::store
