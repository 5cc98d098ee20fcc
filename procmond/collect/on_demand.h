// The columns that are dear to read and that few ever ask for: in a snapshot only while somebody wants them.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string_view>

#include "daemoneye/process.pb.h"

namespace de::collect {

// A set of them.
using Wanted = std::uint8_t;
constexpr Wanted kNothing = 0;
constexpr Wanted kFdCount = 1;
constexpr Wanted kIoRead = 2;
constexpr Wanted kIoWrite = 4;
constexpr Wanted kIo = kIoRead | kIoWrite;  // One file tells both.
constexpr Wanted kEverything = kFdCount | kIo;

// What a sweep is to read of them.
struct Demand {
  Wanted of_all = kEverything;  // Of every process.
  Wanted of_some = kNothing;    // Of some, who are asked for one by one. What costs nothing is told of all instead.
};

// kNothing: it is not one of them.
inline Wanted on_demand(std::string_view column) {
  if (column == "fd_count") return kFdCount;
  if (column == "io_read_bytes") return kIoRead;
  if (column == "io_write_bytes") return kIoWrite;
  return kNothing;
}

inline Wanted told_in(const pb::ProcessRecord& record) {
  return static_cast<Wanted>((record.has_fd_count() ? kFdCount : 0) | (record.has_io_read_bytes() ? kIoRead : 0) |
                             (record.has_io_write_bytes() ? kIoWrite : 0));
}

inline void keep_only(Wanted wanted, pb::ProcessRecord& record) {
  if ((wanted & kFdCount) == 0) record.clear_fd_count();
  if ((wanted & kIoRead) == 0) record.clear_io_read_bytes();
  if ((wanted & kIoWrite) == 0) record.clear_io_write_bytes();
}

}  // namespace de::collect
