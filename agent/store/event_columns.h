// Events of a block, column by column, and how the columns are written.
//
// Two forms on disk: a block, complete, each column packed on its own, so that a reader unpacks what it needs; and a
// piece, what one commit added to every column. Pieces joined in their order are the block that they become.
//
// Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "store/compress.h"
#include "store/event_parts.h"

namespace de::store {

// Columns of varints, unless something else is said; "distance" and "difference" are zigzag.
enum class Column : std::uint8_t {
  // One of each event.
  Flags,       // Which of the optional ones it has.
  Position,    // Distance to the one before it, less one.
  Type,        //
  Boot,        // Optional. Difference to the one before.
  Time,        // Difference to what follows from the boot time, or to the one before.
  Filed,       // Difference to the time it claims.
  Sequence,    // Difference to the one before, less one.
  Duration,    // Optional.
  ExitCode,    // Optional.
  ExitSignal,  // Optional.
  Collection,  // Difference to the time it claims.
  ExecSeq,     // Difference to the last event of the process.
  Life,        // Events with a process: 0 a new life, otherwise how far back it is.
  Image,       // This and the eight after it: 0 as in the last event of the process, 1 a new text, else how far back.
  Owner,
  Job,
  Command,
  Metrics,
  Parent,
  Ancestry,
  Rest,
  Collector,
  // One of each life.
  LifeFlags,
  LifeUid,     // Optional. 0 a new one, otherwise how far back.
  LifePid,     // Difference to the last new one, or to what is known of its uid.
  LifeParent,  // Optional. 0 the same as the life before, 1 a new one, otherwise how far back.
  LifePpid,    // Optional. Difference to what is known of that uid, or to the pid.
  LifeStart,   // Optional. Difference to the time of its first event.
  LifePidfs,   // Optional. Difference to the one before.
  // Not varints.
  Uids,       // 16 bytes each.
  ImageText,  // This and the eight after it: length and bytes.
  OwnerText,
  JobText,
  CommandText,
  MetricsText,
  ParentText,
  AncestryText,
  RestText,
  CollectorText,
};
constexpr std::size_t kColumnCount = 39;

constexpr Column reference_column(std::size_t text) {
  return static_cast<Column>(static_cast<std::size_t>(Column::Image) + text);
}
constexpr Column text_column(std::size_t text) {
  return static_cast<Column>(static_cast<std::size_t>(Column::ImageText) + text);
}

// Bits of Flags and LifeFlags.
constexpr std::uint64_t kHasProcess = 1, kHasBoot = 2, kHasDuration = 4, kHasExitCode = 8, kHasExitSignal = 16;
constexpr std::uint64_t kAllEventFlags = 31;
constexpr std::uint64_t kHasUid = 1, kHasParentUid = 2, kHasPpid = 4, kHasStart = 8, kHasPidfs = 16;
constexpr std::uint64_t kAllLifeFlags = 31;

constexpr std::size_t kMaxBlockRows = 1024;         // A point query unpacks as many to find one.
constexpr std::size_t kFullBlockBytes = 768 << 10;  // Of all columns: no row is added to a block beyond it.
constexpr std::size_t kMaxEventBytes = 4 << 20;     // Of one serialized event; a frame is no larger.
constexpr std::size_t kMaxBlockBytes = kFullBlockBytes + kMaxEventBytes + (64 << 10);

struct EventColumns {
  std::uint64_t rows = 0;
  std::array<std::string, kColumnCount> column;

  std::string& operator[](Column which) { return column[static_cast<std::size_t>(which)]; }
  const std::string& operator[](Column which) const { return column[static_cast<std::size_t>(which)]; }
  std::size_t bytes() const;
  void clear();
};

using ColumnSizes = std::array<std::size_t, kColumnCount>;

// What was added to the columns behind `rows` and `sizes`.
std::string encode_piece(const EventColumns& columns, std::uint64_t rows, const ColumnSizes& sizes);
// Adds a piece. Corrupt also when the columns would grow beyond what a block may hold.
Result<> decode_piece(std::string_view payload, EventColumns& columns);

Result<> encode_block(const EventColumns& columns, Packer& packer, std::string& to);

// A block whose columns are still packed. Borrows from the payload.
class PackedColumns {
 public:
  static Result<PackedColumns> parse(std::string_view payload);
  std::uint64_t rows() const { return rows_; }
  Result<> unpack(Column which, Unpacker& unpacker, EventColumns& to) const;

 private:
  struct Part {
    std::uint64_t kind = 0;
    std::size_t bytes = 0;
    std::string_view data;
  };
  std::uint64_t rows_ = 0;
  std::array<Part, kColumnCount> parts_{};
};

}  // namespace de::store
