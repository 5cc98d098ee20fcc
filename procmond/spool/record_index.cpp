#include "spool/record_index.h"

#include <algorithm>

namespace de::spool {

void RecordIndex::add(const RecordRef& ref, std::uint64_t apart) {
  if (!runs_.empty()) {
    Run& run = runs_.back();
    const bool follows = ref.sequence == run.last() + 1 && ref.offset == run.offset + run.bytes;
    const bool has_room = run.count < kMaxBatchEvents && run.bytes + ref.bytes <= kMaxBatchBytes;
    if (follows && has_room && (run.offset >= apart || ref.offset < apart)) {
      run.bytes += ref.bytes;
      ++run.count;
      return;
    }
  }
  runs_.push_back({ref.sequence, ref.offset, ref.bytes, 1});
}

std::uint64_t RecordIndex::cut(std::uint64_t offset) {
  std::uint64_t first = 0;
  for (; !runs_.empty() && runs_.back().offset >= offset; runs_.pop_back()) first = runs_.back().first;
  return first;
}

std::uint64_t RecordIndex::count_from(std::uint64_t sequence) const {
  std::uint64_t count = 0;
  for (auto run = runs_.rbegin(); run != runs_.rend() && run->last() >= sequence; ++run)
    count += run->last() - std::max(sequence, run->first) + 1;
  return count;
}

const Run* RecordIndex::find(std::uint64_t sequence) const {
  const auto run =
      std::partition_point(runs_.begin(), runs_.end(), [sequence](const Run& each) { return each.last() < sequence; });
  return run == runs_.end() ? nullptr : &*run;
}

const Run* RecordIndex::find_back(std::uint64_t sequence) const {
  const auto run =
      std::partition_point(runs_.begin(), runs_.end(), [sequence](const Run& each) { return each.first <= sequence; });
  return run == runs_.begin() ? nullptr : &*(run - 1);
}

}  // namespace de::spool
