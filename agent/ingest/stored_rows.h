// What the store has, as SQL reads it: in pages, so that no read transaction outlives a page, whoever is slow.
//
// Events come by time. A page begins where the last one ended; what has exactly that time and was handed out already is
// skipped by its identity. So nothing comes twice and nothing is left out, also when events are stored in between: what
// is stored later than a reading came past its time is not part of that reading. Scans come oldest first, alerts newest
// first.
//
// Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "mirror/stored_source.h"
#include "store/store.h"

namespace de::ingest {

// How many events fell into it.
inline std::uint64_t events_in(const pb::Gap& gap) { return gap.last_sequence() - gap.first_sequence() + 1; }

class StoredRows final : public mirror::StoredSource {
 public:
  static constexpr std::size_t kPageRows = 512;
  static constexpr std::size_t kPageBytes = 1UL << 20;
  static constexpr std::size_t kMaxReasons = 16;

  // Both references outlive this object.
  StoredRows(const store::Store& store, const Clock& clock, std::uint32_t retention_days)
      : store_(store), clock_(clock), retention_days_(retention_days) {}

  void keep(std::uint32_t retention_days) { retention_days_ = retention_days; }

  mirror::NextRows read(const mirror::StoredQuery& query) const override;
  // Days that are set aside because they are damaged; of events, gaps as well.
  Result<std::vector<pb::Reason>> missing(mirror::StoredTable table, std::int64_t from_ms,
                                          std::int64_t to_ms) const override;

 private:
  const store::Store& store_;
  const Clock& clock_;
  std::atomic<std::uint32_t> retention_days_;
};

// The reason of a gap that only the agent saw.
inline constexpr const char* kSequenceJump = "sequence jump";
pb::Reason reason_of(const std::string& collector, const pb::Gap& gap);

}  // namespace de::ingest
