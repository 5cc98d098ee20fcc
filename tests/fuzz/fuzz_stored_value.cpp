// Every kind of value the store reads back: the first byte chooses the decoder, the rest is what it is given. A value
// that is accepted must encode to one that is accepted and encodes to the same bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "store/alert_log.h"
#include "store/day.h"
#include "store/event_summary.h"
#include "store/gap_log.h"
#include "store/record_codec.h"
#include "store/scan_codec.h"
#include "store/state.h"
#include "store/value.h"

namespace {

using namespace de::store;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

template <class Decode, class Encode>
void round_trip(std::string_view bytes, Decode decode, Encode encode) {
  const auto first = decode(bytes);
  if (!first) return;
  const std::string once = encode(*first);
  const auto second = decode(std::string_view(once));
  require(second.has_value() && encode(*second) == once);
}

void tables(std::string_view bytes, bool block) {
  ReadTable table(block ? 0 : 8);
  for (ReadSlot& slot : table) slot.live = true;
  const auto applied = block ? apply_block(bytes, 1000, table) : apply_changes(bytes, 1000, table);
  (void)applied;  // Either answer is right; the table must stay within its limit.
  require(table.size() <= kMaxSlots);
}

de::Result<std::string> resolve(std::uint64_t id) {
  if (id > 3) return de::fail(de::Errc::Corrupt, "no entry");
  return std::string(
      "\x1a\x03"
      "abc",
      5);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  static RecordDecoder decoder;  // As the readers do: one for many values.
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 12) {
    case 0:
      if (const auto payload = unseal(bytes, "value")) require(seal(*payload) == bytes);
      break;
    case 1:
      (void)decoder.life_payload(bytes, resolve);
      break;
    case 2:
      round_trip(bytes, decode_summary, encode_summary);
      break;
    case 3:
      tables(bytes, false);
      break;
    case 4:
      tables(bytes, true);
      break;
    case 5:
      round_trip(bytes, decode_header, encode_header);
      break;
    case 6:
      round_trip(bytes, decode_counts, encode_counts);
      break;
    case 7:
      round_trip(bytes, decode_state_counts, encode_state_counts);
      break;
    case 8:
      (void)decode_gap(bytes);
      break;
    case 9:
      (void)decode_kept_mark(bytes);
      break;
    case 10:
      (void)decode_dedupe(bytes);
      break;
    default:
      (void)decode_number(bytes, "number");
      break;
  }
  return 0;
}
