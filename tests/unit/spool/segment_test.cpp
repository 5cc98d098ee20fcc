#include "spool/segment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "daemoneye/base/byte_order.h"

namespace de::spool {
namespace {

constexpr char kId[] = "00112233445566ff";

std::string payload_of(std::uint64_t sequence) { return "payload-" + std::to_string(sequence); }

// A segment of records first..last, and where each record ends.
struct Sample {
  std::string bytes;
  std::vector<std::size_t> ends;
};

SegmentHeader header(std::uint64_t first_sequence, std::int64_t created_ms) {
  SegmentHeader made{kId, 3};
  made.first_sequence = first_sequence;
  made.created_ms = created_ms;
  return made;
}

Sample sample(std::uint64_t first, std::uint64_t last) {
  Sample made{encode_header(header(first, 1000)), {}};
  for (std::uint64_t n = first; n <= last; ++n) {
    append_record(made.bytes, record_seed(kId), n, payload_of(n));
    made.ends.push_back(made.bytes.size());
  }
  return made;
}

std::vector<std::uint64_t> sequences(const SegmentScan& scan) {
  std::vector<std::uint64_t> all;
  for (const RecordRef& ref : scan.records) all.push_back(ref.sequence);
  return all;
}

// Nothing may be read that was not written.
void expect_only_originals(std::string_view bytes, const SegmentScan& scan) {
  for (const RecordRef& ref : scan.records) {
    const auto record = read_record(bytes.substr(ref.offset, ref.bytes), record_seed(kId));
    ASSERT_TRUE(record);
    EXPECT_EQ(record->payload, payload_of(record->sequence));
  }
}

TEST(SegmentHeader, RoundTripAndEveryDamage) {
  const std::string bytes = encode_header(header(42, -7));
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  const auto decoded = decode_header(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->spool_id, kId);
  EXPECT_EQ(decoded->number, 3u);
  EXPECT_EQ(decoded->used_bytes, kSegmentHeaderBytes);
  EXPECT_EQ(decoded->first_sequence, 42u);
  EXPECT_EQ(decoded->created_ms, -7);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_EQ(decode_header(changed).error().code(), Errc::Corrupt) << i;
    EXPECT_FALSE(decode_header(std::string_view(bytes).substr(0, i)));
  }
  EXPECT_FALSE(decode_header(encode_header(header(0, 0))));
  SegmentHeader shorter = header(1, 0);
  shorter.used_bytes = kSegmentHeaderBytes - 1;
  EXPECT_FALSE(decode_header(encode_header(shorter)));
  EXPECT_FALSE(decode_header(encode_header(header(kMaxSequence + 1, 0))));
}

TEST(SegmentName, BothWays) {
  EXPECT_EQ(segment_name(1), "spool-00000001.seg");
  EXPECT_EQ(segment_number("spool-00000001.seg"), 1u);
  EXPECT_EQ(segment_number(segment_name(4'000'000'000u)), 4'000'000'000u);
  for (const char* name : {"", "spool-1.seg", "spool-00000000.seg", "spool-000000001.seg", "spool-00000001.seg.foreign",
                           "spool--0000001.seg", "spool-99999999999.seg", "spool.state"})
    EXPECT_EQ(segment_number(name), 0u) << name;
}

TEST(Scan, WholeSegment) {
  const Sample made = sample(5, 9);
  const SegmentScan scan = scan_segment(made.bytes, record_seed(kId), 5);
  EXPECT_EQ(sequences(scan), (std::vector<std::uint64_t>{5, 6, 7, 8, 9}));
  EXPECT_EQ(scan.good_bytes, made.bytes.size());
  EXPECT_EQ(scan.torn_bytes + scan.damaged_bytes + scan.lost_at_end + scan.damaged_regions, 0u);
}

TEST(Scan, NumbersMayJumpButNotFallBack) {
  std::string bytes = encode_header(header(1, 0));
  for (const std::uint64_t n : {1u, 2u, 50u}) append_record(bytes, record_seed(kId), n, payload_of(n));
  EXPECT_EQ(sequences(scan_segment(bytes, record_seed(kId), 1)), (std::vector<std::uint64_t>{1, 2, 50}));
  append_record(bytes, record_seed(kId), 3, payload_of(3));
  const SegmentScan scan = scan_segment(bytes, record_seed(kId), 1);
  EXPECT_EQ(sequences(scan), (std::vector<std::uint64_t>{1, 2, 50}));
  EXPECT_EQ(scan.damaged_regions, 1u);
  EXPECT_TRUE(scan_segment(bytes, record_seed(kId), 60).records.empty());
}

TEST(Scan, EveryCutIsTorn) {
  const Sample made = sample(1, 3);
  for (std::size_t cut = 0; cut < made.bytes.size(); ++cut) {
    const SegmentScan scan = scan_segment(std::string_view(made.bytes).substr(0, cut), record_seed(kId), 1);
    const auto whole =
        static_cast<std::size_t>(std::upper_bound(made.ends.begin(), made.ends.end(), cut) - made.ends.begin());
    EXPECT_EQ(scan.records.size(), whole) << cut;
    EXPECT_EQ(scan.good_bytes + scan.torn_bytes, cut) << cut;
    EXPECT_EQ(scan.damaged_regions, 0u) << cut;
    EXPECT_EQ(scan.lost_at_end, 0u) << cut;
  }
}

TEST(Scan, EveryDamagedByteCostsOneRecordAndIsNeverTakenForATornTail) {
  const Sample made = sample(1, 4);
  for (std::size_t i = kSegmentHeaderBytes; i < made.bytes.size(); ++i) {
    for (unsigned mask = 1; mask < 256; mask += 2) {
      std::string bytes = made.bytes;
      bytes[i] = static_cast<char>(bytes[i] ^ static_cast<char>(mask));
      const SegmentScan scan = scan_segment(bytes, record_seed(kId), 1);
      expect_only_originals(bytes, scan);
      const auto hit =
          static_cast<std::size_t>(std::upper_bound(made.ends.begin(), made.ends.end(), i) - made.ends.begin());
      std::vector<std::uint64_t> left{1, 2, 3, 4};
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(hit));
      ASSERT_EQ(sequences(scan), left) << "byte " << i << " mask " << mask;
      EXPECT_EQ(scan.damaged_regions, 1u);
      EXPECT_EQ(scan.torn_bytes, 0u) << "byte " << i << " mask " << mask;
      EXPECT_EQ(scan.lost_at_end > 0, hit == 3) << i;
    }
  }
}

TEST(Scan, DamageAtTheEndStatesAnUpperBound) {
  Sample made = sample(1, 10);
  // Everything from record 5 on becomes noise: six records are gone.
  std::fill(made.bytes.begin() + static_cast<std::ptrdiff_t>(made.ends[3]), made.bytes.end(), '\xFF');
  EXPECT_GE(scan_segment(made.bytes, record_seed(kId), 1).lost_at_end, 6u);
  made = sample(1, 10);
  made.bytes.back() ^= 1;
  EXPECT_EQ(scan_segment(made.bytes, record_seed(kId), 1).lost_at_end, 1u);
}

TEST(Scan, RecordsInsideAPayloadAreNotRecords) {
  // An argument that looks like a record, made without the spool's id, next to damage that makes us search.
  std::string forged;
  append_record(forged, record_seed("ffffffffffffffff"), 3, "forged");
  std::string bytes = encode_header(header(1, 0));
  append_record(bytes, record_seed(kId), 1, payload_of(1));
  const std::size_t second = bytes.size();
  append_record(bytes, record_seed(kId), 2, "args " + forged);
  append_record(bytes, record_seed(kId), 3, payload_of(3));
  bytes[second] ^= 1;
  const SegmentScan scan = scan_segment(bytes, record_seed(kId), 1);
  EXPECT_EQ(sequences(scan), (std::vector<std::uint64_t>{1, 3}));
  expect_only_originals(bytes, scan);
}

TEST(Scan, AnotherSpoolsRecordsAreNotRead) {
  const Sample made = sample(1, 3);
  EXPECT_TRUE(scan_segment(made.bytes, record_seed("ffffffffffffffff"), 1).records.empty());
}

TEST(Scan, WorkIsBoundedOnHostileBytes) {
  // Every 17 bytes a header that promises megabytes: without a budget this is quadratic.
  std::string bytes = encode_header(header(1, 0));
  while (bytes.size() < 4'000'000) {
    append_le(bytes, std::uint32_t{1'000'000});
    append_le(bytes, std::uint32_t{0});
    append_le(bytes, std::uint64_t{1});
    bytes += '\x01';
  }
  const SegmentScan scan = scan_segment(bytes, record_seed(kId), 1);
  EXPECT_TRUE(scan.records.empty());
  EXPECT_EQ(kSegmentHeaderBytes + scan.torn_bytes + scan.damaged_bytes, bytes.size());
}

TEST(ReadRecord, RefusesLengthsOutsideItsLimits) {
  std::string bytes;
  append_record(bytes, 0, 1, "");
  EXPECT_FALSE(read_record(bytes, 0));
  bytes.clear();
  append_record(bytes, 0, 1, std::string(kMaxEventBytes + 1, 'x'));
  EXPECT_FALSE(read_record(bytes, 0));
  bytes.clear();
  append_record(bytes, 0, 1, std::string(kMaxEventBytes, 'x'));
  EXPECT_TRUE(read_record(bytes, 0));
  EXPECT_FALSE(read_record(std::string_view(bytes).substr(0, bytes.size() - 1), 0));
}

}  // namespace
}  // namespace de::spool
