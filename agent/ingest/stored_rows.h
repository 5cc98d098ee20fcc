// What the store has, as SQL reads it: in pages, so that no read transaction outlives a page, whoever is slow.
//
// Events come by time; what is stored after a reading began is not part of it. Scans come oldest first, alerts newest
// first.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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

  // The store outlives this object.
  explicit StoredRows(const store::Store& store) : store_(store) {}

  mirror::NextRows read(const mirror::StoredQuery& query) const override;
  // Days that are set aside because they are damaged; of events, gaps as well.
  Result<std::vector<pb::Reason>> missing(mirror::StoredTable table, std::int64_t from_ms,
                                          std::int64_t to_ms) const override;

 private:
  const store::Store& store_;
};

// The reason of a gap that only the agent saw.
inline constexpr const char* kSequenceJump = "sequence jump";
pb::Reason reason_of(const std::string& collector, const pb::Gap& gap);

}  // namespace de::ingest
