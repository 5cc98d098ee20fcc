// What a reader learns of a block without opening it: when its events were, and which processes it cannot be about.
//
// The second is a Bloom filter over pid, ppid, process uid, name and executable hash: ten bits and six probes for each
// different value, so that about one block of a hundred is opened in vain.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "store/event_rows.h"
#include "store/store.h"

namespace de::store {

struct EventSummary {
  std::uint64_t rows = 0;
  std::uint64_t last_position = 0;
  std::uint64_t first_ms = 0;  // As filed, both included.
  std::uint64_t last_ms = 0;
  std::uint64_t types = 0;  // A bit of each EventType; the highest stands for all that have none.
  std::string bloom;
};

EventSummary summarize(const EventRows& rows);
std::string encode_summary(const EventSummary& summary);
Result<EventSummary> decode_summary(std::string_view payload);

// What a filter asks of a summary.
class SummaryTest {
 public:
  explicit SummaryTest(const EventFilter& filter);
  // False: no event of the block is wanted.
  bool may_hold(const EventSummary& summary) const;

 private:
  std::uint64_t from_ms_;
  std::uint64_t to_ms_;
  std::uint64_t after_;
  std::uint64_t types_;
  std::vector<std::uint64_t> keys_;  // Hashes of what must be there.
};

}  // namespace de::store
