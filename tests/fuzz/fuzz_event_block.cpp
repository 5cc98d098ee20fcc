// Blocks and pieces of events. The first byte chooses: a block as it lies on disk and which parts of it are read, or a
// piece. A piece of which all is read is also written as a block, which must say the same.
#include <cstddef>
#include <string>
#include <string_view>

#include "store/event_rows.h"
#include "store/event_summary.h"

namespace {

using namespace de::store;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

// Every event of it; a text that does not parse ends it.
std::string all_events(EventRows& rows) {
  std::string out;
  de::pb::ProcessEvent event;
  for (std::uint32_t row = 0; row < rows.rows().size(); ++row) {
    if (!rows.event(row, event)) break;
    out.append(rows.collector(row));
    out.append(event.SerializeAsString());
  }
  return out;
}

void look_for(const EventRows& rows) {
  const EventSummary summary = summarize(rows);
  require(decode_summary(encode_summary(summary)).has_value());
  EventFilter all;
  const auto found = rows.select(all, UINT64_MAX);
  require(found.size() <= rows.rows().size());
  for (const Life& life : rows.lives()) {
    EventFilter filter;
    filter.pid = static_cast<std::uint32_t>(life.pid);
    // What is there is never filtered away by the summary.
    if (!rows.select(filter, UINT64_MAX).empty()) require(SummaryTest(filter).may_hold(summary));
  }
}

de::Result<std::string> as_block(std::string_view payload, de::schema::EventParts parts = de::schema::kAllParts) {
  static Unpacker unpacker;
  DE_TRY(packed, PackedColumns::parse(payload));
  DE_TRY(rows, EventRows::of(packed, unpacker, parts));
  require(rows->select(EventFilter{}, UINT64_MAX).size() <= rows->rows().size());
  if (parts == de::schema::kAllParts) look_for(*rows);
  DE_CHECK(rows->unpack_texts(packed, unpacker));
  return all_events(*rows);
}

void as_piece(std::string_view payload) {
  static Packer packer;
  EventColumns columns;
  if (!decode_piece(payload, columns)) return;
  std::string block;
  require(encode_block(columns, packer, block).has_value());
  auto rows = EventRows::of(std::move(columns));
  const auto again = as_block(block);
  if (rows) require(again.has_value() && *again == all_events(**rows));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view payload(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    const auto events = as_block(payload, ~(data[0] / 2U) & de::schema::kAllParts);
    (void)events;  // Refused or read: both are right.
  } else {
    as_piece(payload);
  }
  return 0;
}
