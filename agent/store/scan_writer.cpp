#include "store/scan_writer.h"

#include <algorithm>
#include <cstring>

#include "daemoneye/base/byte_order.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr std::uint64_t kKeyframeMs = 3'600'000;
constexpr std::size_t kMaxStagedBytes = 256 << 20;  // New processes of one scan, encoded: bounds the writer's memory.

}  // namespace

Result<ScanWriter::Chain*> ScanWriter::chain_of(const std::string& collector) {
  const auto known = chains_.find(collector);
  if (known != chains_.end()) return known->second.get();
  if (chains_.size() >= kMaxCollectors)
    return fail(Errc::Exhausted, "scans of more than " + std::to_string(kMaxCollectors) + " collectors");
  return chains_.emplace(collector, std::make_unique<Chain>()).first->second.get();
}

Result<> ScanWriter::begin(const ScanMeta& meta, std::uint64_t key_ms, std::shared_ptr<Day> day) {
  if (open_) return fail(Errc::Conflict, "begin scan: another one is open");
  DE_TRY(chain, chain_of(meta.collector));
  DE_TRY(writer, day->writer());
  OpenScan scan;
  scan.meta = meta;
  scan.chain = chain;
  scan.writer = writer;
  if (chain->day != day) {
    scan.carry = true;
    scan.before = std::move(chain->by_uid);
    *chain = Chain();
    chain->day = std::move(day);
  }
  scan.keyframe = scan.carry || chain->length == 0 || chain->length >= kMaxChain || key_ms < chain->last_scan.ms ||
                  key_ms - chain->keyframe_ms >= kKeyframeMs;
  scan.carry = scan.carry || chain->length == 0;
  scan.seen.assign(chain->slots.size(), false);
  scan.offsets.assign(chain->slots.size(), 0);
  scan.staged.scan_ms = key_ms;
  open_ = std::move(scan);
  return {};
}

std::uint64_t ScanWriter::hash_statics() const {
  char hashes[32];
  store_le(hashes, hash_(parts_.identity));
  store_le(hashes + 8, hash_(parts_.image));
  store_le(hashes + 16, hash_(parts_.command));
  store_le(hashes + 24, hash_(parts_.owner));
  return hash_({hashes, sizeof hashes});
}

Result<std::uint32_t> ScanWriter::stage_life(LifeKind kind, const pb::ProcessRecord& record, std::string_view bytes) {
  OpenScan& scan = *open_;
  pb::ProcessRecord back;  // A string that is not UTF-8 would be written and never be read again.
  if (!back.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(Errc::Invalid, "add record: text is not UTF-8");
  DE_TRY(value, scan.writer->encoder().life(kind, parts_, scan.writer->dictionary()));
  scan.staged_bytes += value.size() + sizeof(StagedLife);
  if (scan.staged_bytes > kMaxStagedBytes) return fail(Errc::Exhausted, "scan: over 256 MiB of new processes");
  scan.staged.lives.push_back({std::move(value), index_entries(record)});
  return static_cast<std::uint32_t>(scan.staged.lives.size() - 1);
}

Result<> ScanWriter::add(const pb::ProcessRecord& record, std::string_view bytes) {
  if (!open_) return fail(Errc::Invalid, "add record: no scan is open");
  OpenScan& scan = *open_;
  if (record.process_uid().size() != kUidBytes) return fail(Errc::Invalid, "add record: process_uid is not 16 bytes");
  if (scan.rows >= kMaxScanRecords) return fail(Errc::Exhausted, "scan: over 100000 processes");
  if (bytes.size() > kMaxRecordBytes) return fail(Errc::TooLarge, "add record: over 4 MiB");
  DE_CHECK(split_record(bytes, parts_));

  Change change;
  std::memcpy(change.uid.data(), record.process_uid().data(), kUidBytes);
  change.statics_hash = hash_statics();
  change.metrics = metrics_of(record);
  change.offset_ms = static_cast<std::int64_t>(static_cast<std::uint64_t>(record.collection_time_ms()) -
                                               static_cast<std::uint64_t>(scan.meta.time_ms));
  const auto known = scan.chain->by_uid.find(change.uid);
  if (known == scan.chain->by_uid.end()) {
    if (scan.added.contains(change.uid)) return fail(Errc::Conflict, "add record: process_uid is in the scan already");
    change.is_new = true;
    const bool carried = scan.carry && (scan.before.empty() || scan.before.contains(change.uid));
    DE_TRY(life, stage_life(carried ? LifeKind::Carried : LifeKind::Start, record, bytes));
    change.life = life;
    scan.added.emplace(change.uid, true);
    scan.changes.push_back(change);
  } else {
    change.slot = known->second;
    const Slot& slot = scan.chain->slots[change.slot];
    if (scan.seen[change.slot]) return fail(Errc::Conflict, "add record: process_uid is in the scan already");
    if (slot.statics_hash != change.statics_hash) {
      DE_TRY(life, stage_life(LifeKind::Modify, record, bytes));
      change.life = life;
    }
    scan.seen[change.slot] = true;
    scan.offsets[change.slot] = change.offset_ms;
    if (change.life != kNoLife || slot.state.metrics != change.metrics) scan.changes.push_back(change);
  }
  ++scan.rows;
  return {};
}

// New processes take free slots, lowest first, then new ones at the end.
void ScanWriter::place_new_slots(std::vector<std::uint32_t>& free, std::size_t& slot_count) {
  std::sort(free.begin(), free.end(), std::greater<>());
  for (Change& change : open_->changes) {
    if (!change.is_new) continue;
    if (free.empty()) {
      change.slot = static_cast<std::uint32_t>(slot_count++);
    } else {
      change.slot = free.back();
      free.pop_back();
    }
  }
  std::sort(open_->changes.begin(), open_->changes.end(),
            [](const Change& a, const Change& b) { return a.slot < b.slot; });
}

// Applies the scan to `next`, a copy of the chain's slots, and returns the difference.
ChangeSet ScanWriter::compare(std::vector<Slot>& next, const std::vector<std::uint32_t>& gone) {
  OpenScan& scan = *open_;
  ChangeSet set;
  set.gone = gone;
  for (const std::uint32_t slot : gone) next[slot] = {};
  for (std::size_t i = 0; i < scan.offsets.size(); ++i) next[i].state.offset_ms = scan.offsets[i];
  for (const Change& change : scan.changes) {
    Slot& slot = next[change.slot];
    if (change.life != kNoLife) {
      slot.state.life = {scan.staged.scan_ms, scan.staged.first_seq + change.life};
      set.lives.push_back({change.slot, change.is_new, slot.state.life.seq});
    }
    if (slot.state.metrics != change.metrics) set.metrics.push_back({change.slot, slot.state.metrics, change.metrics});
    slot.uid = change.uid;
    slot.live = true;
    slot.statics_hash = change.statics_hash;
    slot.state.metrics = change.metrics;
    slot.state.offset_ms = change.offset_ms;
  }
  for (const Slot& slot : next)
    if (slot.live) set.offsets_ms.push_back(slot.state.offset_ms);
  return set;
}

// Fills the blob and, for a keyframe, the blocks.
Result<> ScanWriter::pack(const ChangeSet& changes, const std::vector<Slot>& next) {
  OpenScan& scan = *open_;
  if (!scan.keyframe) {
    scan.staged.blob = begin_value();
    DE_CHECK(packer_.pack(scan.staged.blob, encode_changes(changes)));
    finish_value(scan.staged.blob);
    return {};
  }
  ChangeSet offsets_only;  // The blocks say everything else.
  offsets_only.offsets_ms = changes.offsets_ms;
  scan.staged.blob = begin_value();
  DE_CHECK(packer_.pack(scan.staged.blob, encode_changes(offsets_only)));
  finish_value(scan.staged.blob);
  std::vector<std::uint32_t> slots;
  std::vector<SlotState> states;
  for (std::size_t i = 0; i < next.size(); ++i) {
    if (next[i].live) {
      slots.push_back(static_cast<std::uint32_t>(i));
      states.push_back(next[i].state);
    }
    if (slots.size() < kBlockSlots && (i + 1 < next.size() || slots.empty())) continue;
    std::string block = begin_value();
    DE_CHECK(packer_.pack(block, encode_block(scan.staged.scan_ms, slots, states)));
    finish_value(block);
    scan.staged.blocks.push_back(std::move(block));
    slots.clear();
    states.clear();
  }
  return {};
}

void ScanWriter::set_summary(const pb::ScanSummary& summary) {
  if (open_) open_->meta.summary = summary;
}

void ScanWriter::forget(const std::string& day) {
  for (auto& [collector, chain] : chains_) {
    if (!chain->day || chain->day->name() != day) continue;
    if (open_ && open_->chain == chain.get()) abandon();
    *chain = Chain();
  }
}

Result<> ScanWriter::finish() {
  if (!open_) return fail(Errc::Invalid, "finish scan: none is open");
  struct CloseAtEnd {
    ScanWriter& writer;
    ~CloseAtEnd() { writer.abandon(); }
  } close_at_end{*this};
  OpenScan& scan = *open_;
  Chain& chain = *scan.chain;

  std::vector<std::uint32_t> gone;
  for (std::uint32_t i = 0; i < scan.seen.size(); ++i)
    if (chain.slots[i].live && !scan.seen[i]) gone.push_back(i);
  std::vector<std::uint32_t> free = chain.free;
  std::size_t slot_count = chain.slots.size();
  place_new_slots(free, slot_count);
  if (slot_count > kMaxSlots) return fail(Errc::Exhausted, "scan: too many processes came and went at once");

  scan.staged.first_seq = scan.writer->next_seq();
  next_slots_ = chain.slots;
  next_slots_.resize(slot_count);
  const ChangeSet changes = compare(next_slots_, gone);
  DE_CHECK(pack(changes, next_slots_));
  scan.staged.header = {scan.meta, scan.rows, scan.keyframe, chain.last_scan, 0, 0, 0};
  DE_TRY(key, scan.writer->write_scan(scan.staged));

  // Stored. Only now does the next scan compare with this one.
  for (const std::uint32_t slot : gone) chain.by_uid.erase(chain.slots[slot].uid);
  for (const Change& change : scan.changes)
    if (change.is_new) chain.by_uid[change.uid] = change.slot;
  chain.slots.swap(next_slots_);
  free.insert(free.end(), gone.begin(), gone.end());
  chain.free = std::move(free);
  chain.last_scan = key;
  chain.length = scan.keyframe ? 1 : chain.length + 1;
  if (scan.keyframe) chain.keyframe_ms = scan.staged.scan_ms;
  return {};
}

}  // namespace de::store
