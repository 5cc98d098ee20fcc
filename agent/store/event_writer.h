// A day's events on disk: blocks, and behind them a tail of pieces, one of each commit, until they are a block's worth.
//
// The tail that a start, or a failed commit, leaves to be found becomes a block at once, however small: to go on with
// it would mean to build it again.
//
// All of it happens in the caller's transaction: a block and the removal of the pieces that it replaces are one step.
//
// Thread: writer.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "store/compress.h"
#include "store/day.h"
#include "store/event_builder.h"

namespace de::store {

using FiledEvent = std::pair<std::uint64_t, const pb::ProcessEvent*>;  // The time it is filed under.

class EventWriter {
 public:
  explicit EventWriter(const Day& day) : day_(day) {}
  // Positions count from `position` on. Call lost() when this fails or the transaction does.
  Result<> add(Txn& txn, std::string_view collector, std::span<const FiledEvent> events, std::uint64_t position);
  void lost() { knows_tail_ = false; }

 private:
  Result<> put_block(Txn& txn, EventColumns columns);
  Result<> fold(Txn& txn);
  Result<> fold_what_was_found(Txn& txn);
  Result<> put_piece(Txn& txn, std::uint64_t position);

  const Day& day_;
  Packer packer_;
  EventBuilder open_;  // What the tail holds, and what this transaction adds to it.
  bool knows_tail_ = false;
  std::uint64_t tail_rows_ = 0;  // Of open_, those in pieces.
  ColumnSizes tail_sizes_{};
};

// The pieces of the tail joined, and the position of the first; 0 when there is none. Thread: any.
Result<std::uint64_t> read_tail(const Day& day, const Txn& txn, EventColumns& columns);

}  // namespace de::store
