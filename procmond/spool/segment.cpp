#include "spool/segment.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "daemoneye/base/byte_order.h"
#include "daemoneye/frame/crc32c.h"

namespace de::spool {
namespace {

constexpr std::string_view kMagic("DESPOOL\x02", 8);
// How far a sequence may jump within one segment: events shed on a full disk use up numbers.
constexpr std::uint64_t kMaxJump = 1ULL << 32;
// Checksummed bytes one search for the next record may cost, whatever the damage looks like.
constexpr std::size_t kSearchBudget = 64UL << 20;

struct RawHeader {
  std::size_t payload_bytes;
  std::uint32_t crc;
  std::uint64_t sequence;
  std::uint8_t type;
};

RawHeader raw_header(const char* at) {
  return {load_le<std::uint32_t>(at), load_le<std::uint32_t>(at + 4), load_le<std::uint64_t>(at + 8),
          static_cast<std::uint8_t>(at[16])};
}

bool is_plausible_length(std::size_t bytes) { return bytes >= 1 && bytes <= kMaxEventBytes; }

bool is_plausible_sequence(std::uint64_t sequence, std::uint64_t expected) {
  return sequence >= expected && sequence - expected < kMaxJump && sequence < kMaxSequence;
}

// Cheap tests first: only what survives them is checksummed.
bool may_be_record(std::string_view bytes, std::uint64_t expected) {
  if (bytes.size() <= kRecordHeaderBytes) return false;
  const RawHeader raw = raw_header(bytes.data());
  return raw.type == static_cast<std::uint8_t>(RecordType::ProcessEvent) && is_plausible_length(raw.payload_bytes) &&
         raw.payload_bytes <= bytes.size() - kRecordHeaderBytes && is_plausible_sequence(raw.sequence, expected);
}

std::optional<RecordRef> record_at(std::string_view bytes, std::size_t at, std::uint32_t seed, std::uint64_t expected) {
  if (!may_be_record(bytes.substr(at), expected)) return std::nullopt;
  const auto record = read_record(bytes.substr(at), seed);
  if (!record) return std::nullopt;
  return RecordRef{record->sequence, static_cast<std::uint32_t>(at),
                   static_cast<std::uint32_t>(kRecordHeaderBytes + record->payload.size())};
}

// The next record after damage at `from - 1`, or nothing when none is left or the budget is used up.
std::optional<RecordRef> find_record(std::string_view bytes, std::size_t from, std::uint32_t seed,
                                     std::uint64_t expected, std::size_t& budget) {
  for (std::size_t at = from; at < bytes.size(); ++at) {
    if (!may_be_record(bytes.substr(at), expected)) continue;
    const std::size_t cost = load_le<std::uint32_t>(bytes.data() + at);
    if (cost > budget) return std::nullopt;
    budget -= cost;
    if (auto found = record_at(bytes, at, seed, expected)) return found;
  }
  return std::nullopt;
}

// Whether a whole record is there whose length field alone is wrong: some length makes its checksum right.
bool has_other_length(std::string_view bytes, std::uint32_t seed) {
  if (bytes.size() <= kRecordHeaderBytes) return false;
  const std::uint32_t wanted = raw_header(bytes.data()).crc;
  std::uint32_t crc = frame::crc32c(bytes.substr(8, 9), seed);
  for (std::size_t at = kRecordHeaderBytes; at < bytes.size(); ++at) {
    crc = frame::crc32c(bytes.substr(at, 1), crc);
    if (crc == wanted) return true;
  }
  return false;
}

// Whether `rest`, in which no record was found, is the beginning of one that a crash interrupted.
bool is_torn(std::string_view rest, std::uint32_t seed, std::uint64_t expected) {
  if (rest.size() < 4) return true;
  const std::size_t payload_bytes = load_le<std::uint32_t>(rest.data());
  if (!is_plausible_length(payload_bytes) || rest.size() >= kRecordHeaderBytes + payload_bytes) return false;
  if (rest.size() >= 16 && !is_plausible_sequence(load_le<std::uint64_t>(rest.data() + 8), expected)) return false;
  if (rest.size() >= 17 && rest[16] != static_cast<char>(RecordType::ProcessEvent)) return false;
  return !has_other_length(rest, seed);
}

std::uint64_t most_lost_in(std::string_view rest, std::uint64_t expected) {
  if (may_be_record(rest, expected)) {
    const RawHeader raw = raw_header(rest.data());
    if (raw.sequence == expected && kRecordHeaderBytes + raw.payload_bytes == rest.size()) return 1;
  }
  return rest.size() / (kRecordHeaderBytes + 1) + 1;
}

}  // namespace

std::string encode_header(const SegmentHeader& header) {
  std::string bytes(kMagic);
  bytes += header.spool_id;
  bytes.resize(kMagic.size() + kSpoolIdBytes, '0');
  append_le(bytes, header.number);
  append_le(bytes, header.used_bytes);
  append_le(bytes, header.first_sequence);
  append_le(bytes, static_cast<std::uint64_t>(header.created_ms));
  append_le(bytes, frame::crc32c(bytes));
  return bytes;
}

Result<SegmentHeader> decode_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return fail(Errc::Corrupt, "segment header is incomplete");
  const std::string_view covered = bytes.substr(0, kSegmentHeaderBytes - 4);
  if (!covered.starts_with(kMagic) || frame::crc32c(covered) != load_le<std::uint32_t>(bytes.data() + covered.size()))
    return fail(Errc::Corrupt, "segment header is damaged");
  SegmentHeader header;
  header.spool_id = covered.substr(kMagic.size(), kSpoolIdBytes);
  const char* at = covered.data() + kMagic.size() + kSpoolIdBytes;
  header.number = load_le<std::uint32_t>(at);
  header.used_bytes = load_le<std::uint32_t>(at + 4);
  header.first_sequence = load_le<std::uint64_t>(at + 8);
  header.created_ms = static_cast<std::int64_t>(load_le<std::uint64_t>(at + 16));
  if (header.used_bytes < kSegmentHeaderBytes) return fail(Errc::Corrupt, "segment header has an impossible length");
  if (header.first_sequence == 0 || header.first_sequence > kMaxSequence)
    return fail(Errc::Corrupt, "segment header has an impossible sequence");
  return header;
}

std::uint32_t record_seed(std::string_view spool_id) { return frame::crc32c(spool_id); }

void append_record(std::string& out, std::uint32_t seed, std::uint64_t sequence, std::string_view payload) {
  char head[kRecordHeaderBytes];
  store_le(head, static_cast<std::uint32_t>(payload.size()));
  store_le(head + 8, sequence);
  head[16] = static_cast<char>(RecordType::ProcessEvent);
  store_le(head + 4, frame::crc32c(payload, frame::crc32c({head + 8, 9}, seed)));
  out.append(head, sizeof(head));
  out += payload;
}

Result<Record> read_record(std::string_view bytes, std::uint32_t seed) {
  if (bytes.size() <= kRecordHeaderBytes) return fail(Errc::Corrupt, "record is incomplete");
  const RawHeader raw = raw_header(bytes.data());
  if (raw.type != static_cast<std::uint8_t>(RecordType::ProcessEvent) || !is_plausible_length(raw.payload_bytes) ||
      raw.payload_bytes > bytes.size() - kRecordHeaderBytes)
    return fail(Errc::Corrupt, "record header is damaged");
  if (frame::crc32c(bytes.substr(8, 9 + raw.payload_bytes), seed) != raw.crc)
    return fail(Errc::Corrupt, "record does not match its checksum");
  return Record{raw.sequence, bytes.substr(kRecordHeaderBytes, raw.payload_bytes)};
}

Record record_in_memory(std::string_view bytes) {
  const RawHeader raw = raw_header(bytes.data());
  return Record{raw.sequence, bytes.substr(kRecordHeaderBytes, raw.payload_bytes)};
}

SegmentScan scan_segment(std::string_view bytes, std::uint32_t seed, std::uint64_t expected_sequence) {
  SegmentScan scan;
  std::size_t budget = kSearchBudget;
  std::uint64_t expected = expected_sequence;
  std::size_t at = std::min(bytes.size(), kSegmentHeaderBytes);
  scan.good_bytes = at;
  while (at < bytes.size()) {
    auto found = record_at(bytes, at, seed, expected);
    if (!found) {
      found = find_record(bytes, at + 1, seed, expected, budget);
      if (!found && is_torn(bytes.substr(at), seed, expected)) {
        scan.torn_bytes = bytes.size() - at;
        break;
      }
      ++scan.damaged_regions;
      scan.damaged_bytes += (found ? found->offset : bytes.size()) - at;
      if (!found) {
        scan.lost_at_end = most_lost_in(bytes.substr(at), expected);
        break;
      }
    }
    scan.records.push_back(*found);
    expected = found->sequence + 1;
    at = found->offset + found->bytes;
    scan.good_bytes = at;
  }
  return scan;
}

std::string segment_name(std::uint32_t number) {
  char name[32];
  std::snprintf(name, sizeof(name), "spool-%08u.seg", number);
  return name;
}

std::uint32_t segment_number(std::string_view name) {
  if (!name.starts_with("spool-") || !name.ends_with(".seg") || name.size() < 18) return 0;
  const std::string_view digits = name.substr(6, name.size() - 10);
  std::uint32_t number = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return ec == std::errc{} && end == digits.data() + digits.size() && segment_name(number) == name ? number : 0;
}

}  // namespace de::spool
