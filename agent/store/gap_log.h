// Gaps, and the watermarks that outlive their days, in the state environment.
//
// Thread: writer for put, keep and prune, any for the rest.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemoneye/base/clock.h"
#include "store/state.h"
#include "store/store.h"

namespace de::store {

// collector NUL spool: the key of a watermark. Invalid unless both are 1..128 bytes without NUL.
Result<std::string> mark_key(std::string_view collector, std::string_view spool_id);

// The stored forms; here for the fuzzer.
Result<StoredGap> decode_gap(std::string_view payload);
struct KeptMark {
  std::uint64_t sequence = 0;
  std::int64_t kept_ms = 0;
};
Result<KeptMark> decode_kept_mark(std::string_view payload);

// The highest committed sequence per (collector, spool id).
class Watermarks {
 public:
  std::uint64_t of(const std::string& mark) const;
  // Keeps the larger. Exhausted when there are too many spools.
  Result<> raise(const std::string& mark, std::uint64_t sequence);

 private:
  mutable std::mutex mutex_;  // Guards the one below.
  std::map<std::string, std::uint64_t> marks_;
};

class GapLog {
 public:
  GapLog(const State& state, const Clock& clock) : state_(state), clock_(clock) {}
  // One transaction: the gap and, when given, the watermark.
  Result<> put(std::string_view collector, std::string_view spool_id, const pb::Gap& gap,
               std::optional<std::uint64_t> watermark);
  Result<std::vector<StoredGap>> list(std::int64_t from_ms, std::int64_t to_ms) const;
  // Removes gaps recorded before `before_ms`, and counts them.
  Result<> prune(std::int64_t before_ms);

  using Marks = std::vector<std::pair<std::string, std::uint64_t>>;
  Result<Marks> marks() const;
  // Takes over the watermarks of a day that is about to go; the oldest beyond a limit are forgotten.
  Result<> keep(const Marks& marks);

 private:
  Result<std::size_t> erase_oldest(Txn& txn, std::int64_t before_ms, std::size_t at_least);
  Result<> put_mark(Txn& txn, std::string_view mark, std::uint64_t sequence);
  Result<> limit_marks(Txn& txn);

  const State& state_;
  const Clock& clock_;
};

}  // namespace de::store
