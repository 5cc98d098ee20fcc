#include "spool/loss.h"

#include <algorithm>

namespace de::spool {

const char* to_text(LossReason reason) {
  switch (reason) {
    case LossReason::SizeCap:
      return "shed: the spool reached its size limit";
    case LossReason::DiskFull:
      return "shed: no room on the disk";
    case LossReason::WriteFailed:
      return "shed: writing the spool failed";
    case LossReason::Damaged:
      return "the spool was damaged";
    case LossReason::TooLarge:
      return "shed: the event was too large";
    case LossReason::NotDelivered:
      return "lost in the kernel: its buffer was full";
    case LossReason::PowerCut:
      return "not yet on the disk when the machine stopped";
  }
  return "unknown";
}

void LossList::add(const LostRange& range) {
  if (range.first > range.last) return;
  LostRange whole = range;
  std::vector<LostRange> kept;
  kept.reserve(ranges_.size() + 2);
  for (const LostRange& old : ranges_) {
    const bool touches = old.last + 1 >= whole.first && old.first <= whole.last + 1;
    if (touches && old.reason == range.reason) {
      whole.first = std::min(whole.first, old.first);
      whole.last = std::max(whole.last, old.last);
      whole.from_ms = std::min(whole.from_ms, old.from_ms);
      whole.to_ms = std::max(whole.to_ms, old.to_ms);
      continue;
    }
    if (old.last < range.first || old.first > range.last) {
      kept.push_back(old);
      continue;
    }
    // Another reason overlaps: it keeps what lies outside.
    if (old.first < range.first) kept.push_back({old.first, range.first - 1, old.from_ms, old.to_ms, old.reason});
    if (old.last > range.last) kept.push_back({range.last + 1, old.last, old.from_ms, old.to_ms, old.reason});
  }
  kept.push_back(whole);
  std::sort(kept.begin(), kept.end(), [](const LostRange& a, const LostRange& b) { return a.first < b.first; });
  if (kept.size() > kMaxRanges) kept.erase(kept.begin(), kept.end() - kMaxRanges);
  ranges_ = std::move(kept);
}

void LossList::forget_up_to(std::uint64_t sequence) {
  std::erase_if(ranges_, [sequence](const LostRange& range) { return range.last <= sequence; });
  if (!ranges_.empty()) ranges_.front().first = std::max(ranges_.front().first, sequence + 1);
}

const LostRange* LossList::find(std::uint64_t sequence) const {
  for (const LostRange& range : ranges_)
    if (range.first <= sequence && sequence <= range.last) return &range;
  return nullptr;
}

std::uint64_t LossList::next_above(std::uint64_t sequence) const {
  for (const LostRange& range : ranges_)
    if (range.first > sequence) return range.first;
  return 0;
}

}  // namespace de::spool
