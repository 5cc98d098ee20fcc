#include "store/event_writer.h"

#include "daemoneye/base/byte_order.h"
#include "store/event_rows.h"
#include "store/event_summary.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr std::size_t kAloneBytes = 128 << 10;  // An event this large would make its neighbours slow to read.

// What can make one large.
bool is_large(const pb::ProcessEvent& event) {
  std::size_t bytes = event.ancestry().size();
  for (const std::string& argument : event.process().command_line()) bytes += argument.size();
  for (const std::string& variable : event.process().environment()) bytes += variable.size();
  return bytes > kAloneBytes;
}

}  // namespace

Result<std::uint64_t> read_tail(const Day& day, const Txn& txn, EventColumns& columns) {
  std::uint64_t first = 0;
  DE_TRY(cursor, Cursor::open(txn, day.table(DayTable::EventTail)));
  DE_TRY(more, cursor.first());
  while (more) {
    if (first == 0 && cursor.key().size() == sizeof first) first = load_be<std::uint64_t>(cursor.key().data());
    if (first == 0) return fail(Errc::Corrupt, "events: malformed key");
    DE_TRY(payload, unseal(cursor.value(), "event"));
    DE_CHECK(decode_piece(payload, columns));
    DE_TRY(next, cursor.next());
    more = next;
  }
  return first;
}

Result<> EventWriter::put_block(Txn& txn, EventColumns columns) {
  std::string block = begin_value();
  DE_CHECK(encode_block(columns, packer_, block));
  finish_value(block);
  // Read back before the tail goes: what cannot be read would be lost.
  DE_TRY(rows, EventRows::of(std::move(columns)));
  if (rows->rows().empty()) return {};
  const auto key = be64(rows->rows().front().position);
  DE_CHECK(txn.put(day_.table(DayTable::EventBlocks), view(key), block, MDB_APPEND));
  return txn.put(day_.table(DayTable::EventSummaries), view(key), seal(encode_summary(summarize(*rows))), MDB_APPEND);
}

Result<> EventWriter::fold(Txn& txn) {
  DE_CHECK(put_block(txn, open_.columns()));
  if (tail_rows_ > 0) DE_CHECK(txn.clear(day_.table(DayTable::EventTail)));
  open_.clear();
  tail_rows_ = 0;
  tail_sizes_ = {};
  return {};
}

Result<> EventWriter::fold_what_was_found(Txn& txn) {
  open_.clear();
  tail_rows_ = 0;
  tail_sizes_ = {};
  EventColumns columns;
  DE_TRY(first, read_tail(day_, txn, columns));
  if (first != 0) {
    DE_CHECK(put_block(txn, std::move(columns)));
    DE_CHECK(txn.clear(day_.table(DayTable::EventTail)));
  }
  knows_tail_ = true;
  return {};
}

Result<> EventWriter::put_piece(Txn& txn, std::uint64_t position) {
  const EventColumns& columns = open_.columns();
  if (columns.rows == tail_rows_) return {};
  DE_CHECK(txn.put(day_.table(DayTable::EventTail), view(be64(position)),
                   encode_piece(columns, tail_rows_, tail_sizes_), MDB_APPEND));
  tail_rows_ = columns.rows;
  for (std::size_t i = 0; i < kColumnCount; ++i) tail_sizes_[i] = columns.column[i].size();
  return {};
}

Result<> EventWriter::add(Txn& txn, std::string_view collector, std::span<const FiledEvent> events,
                          std::uint64_t position) {
  if (!knows_tail_) DE_CHECK(fold_what_was_found(txn));
  std::uint64_t piece = position;
  for (const auto& [filed_ms, event] : events) {
    const bool alone = is_large(*event);
    if (alone && open_.columns().rows > 0) DE_CHECK(fold(txn));  // Folded again below: `piece` moves there.
    DE_CHECK(open_.add(collector, *event, position++, filed_ms));
    if (!alone && !open_.is_full()) continue;
    DE_CHECK(fold(txn));
    piece = position;
  }
  return put_piece(txn, piece);
}

}  // namespace de::store
