// Events of one day by constraint, in order of their time, in pieces: no read transaction outlives a block.
//
// Blocks lie in order of arrival and may overlap in time. Those that may hold something are merged: a block is opened
// when its first event may be the next one, and its rows are held until they were handed out. When too much is open,
// the block that is needed last is closed and opened again later.
//
// Thread: any; one reader belongs to one thread. The day outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "store/day.h"
#include "store/event_rows.h"
#include "store/store.h"

namespace de::store {

class EventReader {
 public:
  // The range of the filter is within the times that a store files. Only positions up to `upto` count.
  EventReader(const Day& day, EventFilter filter, std::uint64_t upto);
  ~EventReader();
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  // Hands out events until `fn` takes no more (`outcome.stopped`; what it did not take comes again), or a few blocks
  // were looked at. True: nothing is left. Between pages one block is held.
  Result<bool> page(const EventFn& fn, ReadOutcome& outcome);

 private:
  // When and in which order it came; mirrored when the newest are wanted first, so that the next is always the least.
  struct Place {
    std::uint64_t ms = 0;
    std::uint64_t position = 0;
    auto operator<=>(const Place&) const = default;
  };
  struct Match {
    Place place;
    std::uint32_t row = 0;
  };
  struct Candidate {
    Place from;  // Nothing before it is wanted any more.
    std::uint64_t key = 0;
    bool operator>(const Candidate& other) const { return from > other.from; }
  };
  struct OpenBlock {
    std::uint64_t key = 0;
    std::unique_ptr<EventRows> rows;
    std::vector<Match> matches;
    std::size_t next = 0;
    std::size_t bytes = 0;
    const Place& place() const { return matches[next].place; }
  };

  std::uint64_t mirrored(std::uint64_t value) const { return filter_.newest_first ? ~value : value; }
  Result<> collect();
  Result<std::unique_ptr<EventRows>> read(const Candidate& candidate, std::vector<std::uint32_t>& wanted);
  void keep(const EventRows& rows, const Candidate& candidate, std::vector<std::uint32_t>& wanted);
  Result<> open(const Candidate& candidate);
  void close(OpenBlock& block);
  void close_the_last();
  OpenBlock* first_open();
  // Null: it has opened as many as a page may, or there is none; then no candidate is left.
  Result<OpenBlock*> next_block();
  void give_pages_back();

  const Day& day_;
  const EventFilter filter_;
  const std::uint64_t upto_;
  schema::EventParts parts_;
  bool is_collected_ = false;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;  // 24 bytes for 1,024 events.
  std::vector<OpenBlock> open_;
  std::size_t open_bytes_ = 0;
  std::uint64_t opened_ = 0;  // In this page.
  std::uint64_t touched_ = 0;
  std::uint64_t passed_over_ = 0;
  Unpacker unpacker_;
  pb::ProcessEvent event_;
};

}  // namespace de::store
