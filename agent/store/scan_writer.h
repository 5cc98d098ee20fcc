// Turns full scans into changes: remembers per collector what each process looked like, and writes what is different.
//
// Thread: writer.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/crypto/siphash.h"
#include "store/day_writer.h"

namespace de::store {

constexpr std::size_t kMaxCollectors = 16;

class ScanWriter {
 public:
  // `key_ms` is the scan's time as the store files it, inside `day`.
  Result<> begin(const ScanMeta& meta, std::uint64_t key_ms, std::shared_ptr<Day> day);
  Result<> add(const pb::ProcessRecord& record, std::string_view bytes);
  void set_summary(const pb::ScanSummary& summary);
  Result<> finish();
  void abandon() { open_.reset(); }
  // The day of the open scan, or nothing.
  std::shared_ptr<Day> day() const { return open_ ? open_->chain->day : nullptr; }
  // Lets go of a day that is about to be removed; a scan open in it is abandoned.
  void forget(const std::string& day);

 private:
  using Uid = std::array<char, kUidBytes>;
  struct UidHash {
    crypto::SipHash hash;
    std::size_t operator()(const Uid& uid) const { return hash(std::string_view(uid.data(), uid.size())); }
  };
  template <class Value>
  using ByUid = std::unordered_map<Uid, Value, UidHash>;

  struct Slot {
    Uid uid{};
    bool live = false;
    std::uint64_t statics_hash = 0;
    SlotState state;
  };

  // What the last stored scan of one collector left.
  struct Chain {
    std::shared_ptr<Day> day;  // Second owner beside the set of days, so that its address stays unique.
    ByUid<std::uint32_t> by_uid;
    std::vector<Slot> slots;
    std::vector<std::uint32_t> free;
    TimeKey last_scan;
    std::uint64_t keyframe_ms = 0;
    std::uint32_t length = 0;
  };

  static constexpr std::uint32_t kNoLife = UINT32_MAX;
  struct Change {
    std::uint32_t slot = 0;
    Uid uid{};
    bool is_new = false;
    std::uint32_t life = kNoLife;  // Index into lives, when something that is not a metric differs.
    std::uint64_t statics_hash = 0;
    Metrics metrics;
    std::int64_t offset_ms = 0;
  };

  struct OpenScan {
    ScanMeta meta;
    Chain* chain = nullptr;
    DayWriter* writer = nullptr;
    bool keyframe = false;
    bool carry = false;                 // Nothing to compare with: the agent or the day has just begun.
    ByUid<std::uint32_t> before;        // With carry: who was alive in the scan before, if there was one.
    std::vector<bool> seen;             // Per slot.
    std::vector<std::int64_t> offsets;  // Per slot.
    std::vector<Change> changes;
    ByUid<bool> added;
    std::size_t rows = 0;
    std::size_t staged_bytes = 0;
    StagedScan staged;
  };

  Result<Chain*> chain_of(const std::string& collector);
  Result<std::uint32_t> stage_life(LifeKind kind, const pb::ProcessRecord& record, std::string_view bytes);
  std::uint64_t hash_statics() const;
  void place_new_slots(std::vector<std::uint32_t>& free, std::size_t& slot_count);
  ChangeSet compare(std::vector<Slot>& next, const std::vector<std::uint32_t>& gone);
  Result<> pack(const ChangeSet& changes, const std::vector<Slot>& next);

  crypto::SipHash hash_;
  std::map<std::string, std::unique_ptr<Chain>> chains_;  // At most kMaxCollectors.
  std::optional<OpenScan> open_;
  std::vector<Slot> next_slots_;  // Kept between scans for its memory.
  RecordParts parts_;
  Packer packer_;
};

}  // namespace de::store
