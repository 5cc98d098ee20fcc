// Stored form of a scan: the header, the changes against the scan before it, and the blocks of a keyframe.
//
// A process occupies a slot from the scan it appears in to the one it is gone from. The header links to the previous
// scan of the same collector; a scan is rebuilt from its chain's keyframe by applying the changes of each scan up to
// it. The link, not the time, defines the order: a clock that jumps back cannot mix two chains up.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "store/keys.h"
#include "store/metrics.h"
#include "store/store.h"

namespace de::store {

constexpr std::size_t kMaxScanRecords = 100'000;
constexpr std::uint32_t kMaxSlots = 1U << 18;  // A slot is free for reuse one scan after its process is gone.
constexpr std::size_t kBlockSlots = 256;
constexpr std::size_t kMaxBlobBytes = 64 << 20;  // Unpacked: kMaxScanRecords times the widest entry fits.
constexpr std::uint32_t kMaxChain = 4096;        // Scans that depend on one keyframe.

struct SlotState {
  TimeKey life;  // Where the columns that are not metrics are.
  Metrics metrics;
  std::int64_t offset_ms = 0;  // Collection time minus scan time.
};

struct LifeChange {
  std::uint32_t slot = 0;
  bool is_new = false;    // Otherwise the process in the slot was modified.
  std::uint64_t seq = 0;  // Of the life record; its time is the scan's.
};

struct MetricChange {
  std::uint32_t slot = 0;
  Metrics before;  // All zero for a new slot.
  Metrics after;
};

// Each list in ascending order of slots.
struct ChangeSet {
  std::vector<std::uint32_t> gone;
  std::vector<LifeChange> lives;
  std::vector<MetricChange> metrics;
  std::vector<std::int64_t> offsets_ms;  // One per live slot.
};

std::string encode_changes(const ChangeSet& changes);
std::string encode_block(std::uint64_t scan_ms, std::span<const std::uint32_t> slots,
                         std::span<const SlotState> states);

// A slot on the reading side; `statics` is filled when somebody looks.
struct ReadSlot {
  SlotState state;
  bool live = false;
  std::optional<bool> is_wanted;               // What a filter said about `statics`.
  std::shared_ptr<const std::string> statics;  // Shared with copies of the table that a chain is continued from.
};
using ReadTable = std::vector<ReadSlot>;

// Corrupt when the bytes do not fit the table: an entry for an empty slot, a new process in a taken one, leftovers.
Result<> apply_changes(std::string_view raw, std::uint64_t scan_ms, ReadTable& table);
Result<> apply_block(std::string_view raw, std::uint64_t scan_ms, ReadTable& table);

struct ScanHeader {
  ScanMeta meta;
  std::uint64_t rows = 0;
  bool keyframe = false;
  TimeKey previous;            // Of the scan this one continues; unless keyframe.
  std::uint64_t blob_seq = 0;  // Of the changes.
  std::uint64_t block_seq = 0;
  std::uint64_t block_count = 0;  // Keyframe only.
};

std::string encode_header(const ScanHeader& header);
Result<ScanHeader> decode_header(std::string_view payload);

}  // namespace de::store
