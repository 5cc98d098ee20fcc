// Segments and state slots as a damaged disk or an attacker would leave them. Recovery must never invent a record:
// everything it reads back encodes to bytes that are in the input, in rising order, without overlap.
#include <cstdlib>
#include <cstring>

#include "spool/segment.h"
#include "spool/state_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace de::spool;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto header = decode_header(bytes);
  if (header && encode_header(*header) != bytes.substr(0, kSegmentHeaderBytes)) std::abort();
  const std::uint32_t seed = record_seed(header ? header->spool_id : "0123456789abcdef");
  const std::uint64_t expected = header ? header->first_sequence : 1;

  const SegmentScan scan = scan_segment(bytes, seed, expected);
  std::size_t end = kSegmentHeaderBytes;
  std::uint64_t next = expected;
  std::size_t record_bytes = 0;
  for (const RecordRef& ref : scan.records) {
    if (ref.offset < end || ref.sequence < next || std::size_t{ref.offset} + ref.bytes > size) std::abort();
    const auto record = read_record(bytes.substr(ref.offset, ref.bytes), seed);
    if (!record || record->sequence != ref.sequence) std::abort();
    std::string again;
    append_record(again, seed, record->sequence, record->payload);
    if (again != bytes.substr(ref.offset, ref.bytes)) std::abort();
    end = ref.offset + ref.bytes;
    next = ref.sequence + 1;
    record_bytes += ref.bytes;
  }
  const std::size_t header_bytes = size < kSegmentHeaderBytes ? size : kSegmentHeaderBytes;
  if (header_bytes + record_bytes + scan.torn_bytes + scan.damaged_bytes != size) std::abort();
  if ((scan.lost_at_end > 0 || scan.torn_bytes > 0) && scan.good_bytes == size) std::abort();

  std::uint64_t generation = 0;
  if (const auto state = decode_state(bytes, generation))
    if (state->acked > state->last_sequence || state->lost.ranges().size() > LossList::kMaxRanges) std::abort();
  return 0;
}
