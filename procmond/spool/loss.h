// The sequence numbers whose events will never come, and why: what becomes a Gap on the wire.
//
// Thread: io (owned by the spool).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace de::spool {

enum class LossReason : std::uint8_t {
  SizeCap = 1,       // Shed, oldest first, because the spool reached max_bytes.
  DiskFull = 2,      // There was no room to write them.
  WriteFailed = 3,   // Writing or syncing failed for another reason.
  Damaged = 4,       // Unreadable after a restart.
  TooLarge = 5,      // One event beyond kMaxEventBytes.
  NotDelivered = 6,  // The kernel had events for us and no room to put them.
  PowerCut = 7       // At most these: numbers that may have been given out just before the machine stopped.
};
const char* to_text(LossReason reason);

struct LostRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
  LossReason reason = LossReason::Damaged;

  bool operator==(const LostRange&) const = default;
};

// Ranges in rising order that do not overlap.
class LossList {
 public:
  // Beyond this the oldest is dropped. Its numbers are still missing and are then reported as damaged.
  static constexpr std::size_t kMaxRanges = 256;

  // Replaces whatever it overlaps and joins a neighbour with the same reason. Ignores first > last.
  void add(const LostRange& range);
  // Acknowledged numbers need no explanation any more.
  void forget_up_to(std::uint64_t sequence);
  // The range that holds `sequence`, or null.
  const LostRange* find(std::uint64_t sequence) const;
  // First number of the next range above `sequence`, or 0 when there is none.
  std::uint64_t next_above(std::uint64_t sequence) const;

  const std::vector<LostRange>& ranges() const { return ranges_; }

 private:
  std::vector<LostRange> ranges_;
};

}  // namespace de::spool
