#include "mirror/fingerprint.h"

#include <algorithm>
#include <cstdint>

#include "daemoneye/process.pb.h"

namespace de::mirror {
namespace {

using P = pb::ProcessRecord;

constexpr std::size_t kKeepBuffer = 64UL << 10;

enum class Kind : std::uint8_t { Fixed, Moving, ScanTime };

Kind kind_of(std::uint64_t field) {
  switch (field) {
    case P::kCpuUsageFieldNumber:
    case P::kMemoryUsageFieldNumber:
    case P::kStateFieldNumber:
    case P::kThreadsFieldNumber:
    case P::kNiceFieldNumber:
    case P::kCpuUserMsFieldNumber:
    case P::kCpuSystemMsFieldNumber:
    case P::kVirtualMemoryFieldNumber:
    case P::kIoReadBytesFieldNumber:
    case P::kIoWriteBytesFieldNumber:
    case P::kFdCountFieldNumber:
      return Kind::Moving;
    case P::kCollectionTimeMsFieldNumber:  // The column is the scan's time, the same for all rows.
      return Kind::ScanTime;
    default:
      return Kind::Fixed;
  }
}

std::uint64_t take_varint(const char*& at, const char* end) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; at != end && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

// Moves past the field whose tag was just read. What is walked was parsed before, so it is well-formed.
void skip_value(std::uint64_t wire_type, const char*& at, const char* end) {
  std::uint64_t size = 0;
  if (wire_type == 0) {
    (void)take_varint(at, end);
  } else {
    size = wire_type == 1 ? 8 : wire_type == 2 ? take_varint(at, end) : 4;
  }
  at += std::min(size, static_cast<std::uint64_t>(end - at));
}

}  // namespace

// Parted along the fields: what belongs together is mostly next to each other already.
Fingerprint Fingerprinter::operator()(std::string_view record) {
  if (fixed_.capacity() > kKeepBuffer) std::string().swap(fixed_);  // One giant does not stay in memory.
  fixed_.clear();
  moving_.clear();
  const char* run = record.data();  // Start of the fields of one kind that are not taken yet.
  Kind kind = Kind::Fixed;          // Of the run.
  const auto close_run = [&](const char* upto) {
    if (kind == Kind::Fixed) {
      fixed_.append(run, upto);
    } else if (kind == Kind::Moving) {
      moving_.append(run, upto);
    }
    run = upto;
  };
  const char* const end = record.data() + record.size();
  for (const char* at = record.data(); at != end;) {
    const char* const field = at;
    const std::uint64_t tag = take_varint(at, end);
    skip_value(tag & 7U, at, end);
    const Kind next = kind_of(tag >> 3);
    if (next == kind) continue;
    close_run(field);
    kind = next;
  }
  close_run(end);
  return {hash_(fixed_), hash_(moving_)};
}

}  // namespace de::mirror
