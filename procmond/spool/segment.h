// The bytes of one spool segment, `spool-%08u.seg`, and how to read them back when they are damaged.
//
//   header: magic "DESPOOL" 0x02 | spool id 16 | u32 number | u32 used bytes | u64 first sequence | i64 created ms
//           | u32 CRC-32C of these 48 bytes
//   record: u32 n | u32 CRC-32C | u64 sequence | u8 type | payload of n bytes
// Integers are little-endian. A record's checksum covers the spool id, then sequence, type and payload: a process
// that writes something like a record into its own arguments cannot know the id, so damage around its event can
// never make that text pass for a record.
// A file is used again when everything in it was acknowledged: what lies behind the used bytes is of an earlier use,
// and so is everything while the header has another number than the file's name.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::spool {

constexpr std::size_t kSpoolIdBytes = 16;  // Hexadecimal digits.
constexpr std::size_t kSegmentHeaderBytes = 8 + kSpoolIdBytes + 4 + 4 + 8 + 8 + 4;
constexpr std::size_t kRecordHeaderBytes = 4 + 4 + 8 + 1;
// One event must fit into a frame of 4 MiB together with its envelope.
constexpr std::size_t kMaxEventBytes = 3'500'000;
constexpr std::uint64_t kMaxSequence = 1ULL << 62;  // Far from wrapping; nothing real comes near.

enum class RecordType : std::uint8_t { ProcessEvent = 1 };

struct SegmentHeader {
  std::string spool_id;
  std::uint32_t number = 0;
  std::uint32_t used_bytes = kSegmentHeaderBytes;  // From the start of the file to the end of the last record.
  std::uint64_t first_sequence = 0;                // No record of this segment has a smaller one.
  std::int64_t created_ms = 0;
};

std::string encode_header(const SegmentHeader& header);
// Errors: Corrupt.
Result<SegmentHeader> decode_header(std::string_view bytes);

// What a spool's checksums start from.
std::uint32_t record_seed(std::string_view spool_id);

void append_record(std::string& out, std::uint32_t seed, std::uint64_t sequence, std::string_view payload);

// Where a good record lies in its segment.
struct RecordRef {
  std::uint64_t sequence = 0;
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;  // Of the whole record.
};

struct Record {
  std::uint64_t sequence = 0;
  std::string_view payload;  // Borrowed from the bytes it was read from.
};

// The record at the start of `bytes`. Errors: Corrupt.
Result<Record> read_record(std::string_view bytes, std::uint32_t seed);
// The same of bytes that never left memory: nobody could damage them.
Record record_in_memory(std::string_view bytes);

struct SegmentScan {
  std::vector<RecordRef> records;   // In order; sequences rise.
  std::uint64_t good_bytes = 0;     // Up to the end of the last good record (or of the header).
  std::uint64_t torn_bytes = 0;     // An interrupted last write. Never synced, so nobody was told about it.
  std::uint64_t damaged_bytes = 0;  // Everything else that is not a record.
  std::uint32_t damaged_regions = 0;
  // Damage at the very end hides how many records it hit: at most this many.
  std::uint64_t lost_at_end = 0;
};

// Finds every record of a segment. Damage is skipped byte by byte until the next record whose checksum is right and
// whose sequence is at least `expected_sequence` and rises. Never fails; bounded work on any input.
SegmentScan scan_segment(std::string_view bytes, std::uint32_t seed, std::uint64_t expected_sequence);

std::string segment_name(std::uint32_t number);
// 0 for a name that is no segment's.
std::uint32_t segment_number(std::string_view name);

}  // namespace de::spool
