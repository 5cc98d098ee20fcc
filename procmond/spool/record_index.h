// Where the records of a segment are, without a word for each: a few hundred that lie one behind the other and are
// numbered without a hole are one run, which is read at once anyway. A spool of 256 MB holds a million and a half.
//
// Thread: the spool's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spool/segment.h"

namespace de::spool {

constexpr std::size_t kMaxBatchEvents = 256;  // Events in one frame, and in a run.
constexpr std::size_t kMaxBatchBytes = kMaxEventBytes + kRecordHeaderBytes;

struct Run {
  std::uint64_t first = 0;  // Sequence.
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
  std::uint32_t count = 0;

  std::uint64_t last() const { return first + count - 1; }
};

class RecordIndex {
 public:
  // In the order they lie in the segment. What lies before `apart` and what does not are never one run.
  void add(const RecordRef& ref, std::uint64_t apart = 0);
  // Forgets what lies at `offset` and behind; that was `apart` once. Returns the first sequence of it, 0: there is
  // none.
  std::uint64_t cut(std::uint64_t offset);
  void clear() { runs_.clear(); }

  bool empty() const { return runs_.empty(); }
  std::size_t runs() const { return runs_.size(); }
  std::uint64_t first_sequence() const { return runs_.front().first; }  // Not of an empty index.
  std::uint64_t last_sequence() const { return runs_.back().last(); }
  // How many have this sequence or a higher one.
  std::uint64_t count_from(std::uint64_t sequence) const;
  // The first run that has this sequence or a higher one; null: there is none.
  const Run* find(std::uint64_t sequence) const;
  // The last run that has this sequence or a lower one; null: there is none.
  const Run* find_back(std::uint64_t sequence) const;

 private:
  std::vector<Run> runs_;
};

}  // namespace de::spool
