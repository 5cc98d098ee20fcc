#include "store/scan_codec.h"

#include <bit>
#include <cmath>

#include "daemoneye/base/byte_order.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr unsigned kPresenceChanged = 1U << kMetricCount;
constexpr unsigned kAllMetrics = (1U << kMetricCount) - 1;
constexpr std::uint64_t kPageBytes = 4096;

enum OffsetForm : std::uint8_t { kAllZero = 0, kUniform = 1, kEach = 2 };

// Collectors that round to hundredths get two bytes, everybody else all the bits of the double.
void put_cpu(std::string& to, std::uint64_t bits) {
  const double percent = std::bit_cast<double>(bits);
  if (percent >= 0 && percent < 1e9) {
    const auto hundredths = static_cast<std::uint64_t>(std::llround(percent * 100));
    if (std::bit_cast<std::uint64_t>(static_cast<double>(hundredths) / 100) == bits) {
      put_varint(to, hundredths << 1);
      return;
    }
  }
  put_varint(to, 1);
  append_le(to, bits);
}

std::uint64_t take_cpu(Reader& reader) {
  const std::uint64_t code = reader.varint();
  if ((code & 1) == 0) return std::bit_cast<std::uint64_t>(static_cast<double>(code >> 1) / 100);
  if (code != 1) reader.refuse();
  const std::string_view raw = reader.raw(8);
  return raw.size() == 8 ? load_le<std::uint64_t>(raw.data()) : 0;
}

// Memory moves by pages: a multiple of 4096 loses twelve bits. 1 escapes a difference too wide for the spare bit.
void put_difference(std::string& to, std::uint64_t before, std::uint64_t after) {
  const std::uint64_t difference = after - before;
  if (difference % kPageBytes == 0) {
    put_varint(to, zigzag(static_cast<std::int64_t>(difference) >> 12) << 1);
  } else if (const std::uint64_t folded = zigzag(static_cast<std::int64_t>(difference)); folded >> 63 == 0) {
    put_varint(to, folded << 1 | 1);
  } else {
    put_varint(to, 1);
    put_varint(to, difference);
  }
}

std::uint64_t take_difference(Reader& reader, std::uint64_t before) {
  const std::uint64_t code = reader.varint();
  if ((code & 1) == 0) return before + (static_cast<std::uint64_t>(unzigzag(code >> 1)) << 12);
  if (code == 1) return before + reader.varint();
  return before + static_cast<std::uint64_t>(unzigzag(code >> 1));
}

void put_metric(std::string& to, std::size_t which, std::uint64_t before, std::uint64_t after) {
  if (which == static_cast<std::size_t>(Metric::CpuUsage)) return put_cpu(to, after);
  if (which == static_cast<std::size_t>(Metric::State)) return put_varint(to, after);
  put_difference(to, before, after);
}

std::uint64_t take_metric(Reader& reader, std::size_t which, std::uint64_t before) {
  if (which == static_cast<std::size_t>(Metric::CpuUsage)) return take_cpu(reader);
  if (which == static_cast<std::size_t>(Metric::State)) return reader.varint();
  return take_difference(reader, before);
}

unsigned changed_mask(const Metrics& before, const Metrics& after) {
  unsigned mask = before.present != after.present ? kPresenceChanged : 0;
  for (std::size_t i = 0; i < kMetricCount; ++i)
    if (before.value[i] != after.value[i]) mask |= 1U << i;
  return mask;
}

// Ascending slots as differences; `next` is the smallest slot that may follow.
void put_slot(std::string& to, std::uint32_t slot, std::uint32_t& next, unsigned extra_bits, unsigned extra) {
  put_varint(to, static_cast<std::uint64_t>(slot - next) << extra_bits | extra);
  next = slot + 1;
}

std::uint32_t take_slot(Reader& reader, std::uint32_t& next, unsigned extra_bits, unsigned& extra) {
  const std::uint64_t code = reader.varint();
  extra = static_cast<unsigned>(code & ((1U << extra_bits) - 1));
  const std::uint64_t slot = (code >> extra_bits) + next;
  if ((code >> extra_bits) >= kMaxSlots || slot >= kMaxSlots) {
    reader.refuse();
    return 0;
  }
  next = static_cast<std::uint32_t>(slot) + 1;
  return static_cast<std::uint32_t>(slot);
}

void put_offsets(std::string& to, const std::vector<std::int64_t>& offsets) {
  bool uniform = true;
  for (const std::int64_t offset : offsets) uniform = uniform && offset == offsets[0];
  if (uniform && (offsets.empty() || offsets[0] == 0)) {
    to.push_back(kAllZero);
  } else if (uniform) {
    to.push_back(kUniform);
    put_varint(to, zigzag(offsets[0]));
  } else {
    to.push_back(kEach);
    std::uint64_t previous = 0;
    for (const std::int64_t offset : offsets) {
      put_varint(to, zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(offset) - previous)));
      previous = static_cast<std::uint64_t>(offset);
    }
  }
}

void take_offsets(Reader& reader, ReadTable& table) {
  const std::uint8_t form = reader.byte();
  if (form > kEach) reader.refuse();
  std::uint64_t offset = form == kUniform ? static_cast<std::uint64_t>(reader.signed_varint()) : 0;
  for (ReadSlot& slot : table) {
    if (!slot.live || !reader.ok()) continue;
    if (form == kEach) offset += static_cast<std::uint64_t>(reader.signed_varint());
    slot.state.offset_ms = static_cast<std::int64_t>(offset);
  }
}

void take_gone(Reader& reader, ReadTable& table) {
  std::uint32_t next = 0;
  unsigned none = 0;
  for (std::size_t n = reader.count(1); n > 0 && reader.ok(); --n) {
    const std::uint32_t slot = take_slot(reader, next, 0, none);
    if (slot >= table.size() || !table[slot].live) return reader.refuse();
    table[slot] = {};
  }
}

void take_lives(Reader& reader, std::uint64_t scan_ms, ReadTable& table) {
  std::uint32_t next = 0;
  std::uint64_t seq = 0;
  for (std::size_t n = reader.count(2); n > 0; --n) {
    unsigned is_new = 0;
    const std::uint32_t slot = take_slot(reader, next, 1, is_new);
    seq += static_cast<std::uint64_t>(reader.signed_varint());
    if (!reader.ok()) return;
    if (is_new != 0 && slot >= table.size()) table.resize(slot + 1);
    if (slot >= table.size() || table[slot].live == (is_new != 0)) return reader.refuse();
    table[slot].live = true;
    table[slot].state.life = {scan_ms, seq};
    table[slot].statics = nullptr;
    table[slot].is_wanted.reset();
  }
}

void take_metrics(Reader& reader, ReadTable& table) {
  struct Entry {
    std::uint32_t slot;
    unsigned mask;
  };
  std::vector<Entry> entries(reader.count(2));
  std::uint32_t next = 0;
  unsigned none = 0;
  for (Entry& entry : entries) {
    entry.slot = take_slot(reader, next, 0, none);
    if (!reader.ok() || entry.slot >= table.size() || !table[entry.slot].live) return reader.refuse();
  }
  for (Entry& entry : entries) {
    const std::uint64_t mask = reader.varint();
    if (mask > (kAllMetrics | kPresenceChanged)) return reader.refuse();
    entry.mask = static_cast<unsigned>(mask);
  }
  for (const Entry& entry : entries) {
    if ((entry.mask & kPresenceChanged) == 0) continue;
    const std::uint64_t present = reader.varint();
    if (present > kAllMetrics) return reader.refuse();
    table[entry.slot].state.metrics.present = static_cast<std::uint16_t>(present);
  }
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    for (const Entry& entry : entries) {
      if ((entry.mask >> i & 1) == 0) continue;
      std::uint64_t& value = table[entry.slot].state.metrics.value[i];
      value = take_metric(reader, i, value);
    }
  }
}

}  // namespace

std::string encode_changes(const ChangeSet& changes) {
  std::string out;
  std::uint32_t next = 0;
  put_varint(out, changes.gone.size());
  for (const std::uint32_t slot : changes.gone) put_slot(out, slot, next, 0, 0);

  next = 0;
  std::uint64_t seq = 0;
  put_varint(out, changes.lives.size());
  for (const LifeChange& life : changes.lives) {
    put_slot(out, life.slot, next, 1, life.is_new ? 1 : 0);
    put_varint(out, zigzag(static_cast<std::int64_t>(life.seq - seq)));
    seq = life.seq;
  }

  // Column by column: neighbours alike is what zstd packs.
  next = 0;
  std::vector<unsigned> masks;
  masks.reserve(changes.metrics.size());
  put_varint(out, changes.metrics.size());
  for (const MetricChange& change : changes.metrics) {
    put_slot(out, change.slot, next, 0, 0);
    masks.push_back(changed_mask(change.before, change.after));
  }
  for (const unsigned mask : masks) put_varint(out, mask);
  for (std::size_t n = 0; n < masks.size(); ++n)
    if ((masks[n] & kPresenceChanged) != 0) put_varint(out, changes.metrics[n].after.present);
  for (std::size_t i = 0; i < kMetricCount; ++i)
    for (std::size_t n = 0; n < masks.size(); ++n)
      if ((masks[n] >> i & 1) != 0)
        put_metric(out, i, changes.metrics[n].before.value[i], changes.metrics[n].after.value[i]);

  put_offsets(out, changes.offsets_ms);
  return out;
}

Result<> apply_changes(std::string_view raw, std::uint64_t scan_ms, ReadTable& table) {
  Reader reader(raw);
  take_gone(reader, table);
  take_lives(reader, scan_ms, table);
  take_metrics(reader, table);
  take_offsets(reader, table);
  if (!reader.finished()) return fail(Errc::Corrupt, "scan changes: do not fit the scan before");
  return {};
}

std::string encode_block(std::uint64_t scan_ms, std::span<const std::uint32_t> slots,
                         std::span<const SlotState> states) {
  std::string out;
  std::uint32_t next = 0;
  put_varint(out, slots.size());
  for (const std::uint32_t slot : slots) put_slot(out, slot, next, 0, 0);
  for (const SlotState& s : states) put_varint(out, zigzag(static_cast<std::int64_t>(scan_ms - s.life.ms)));
  std::uint64_t seq = 0;
  for (const SlotState& s : states) {
    put_varint(out, zigzag(static_cast<std::int64_t>(s.life.seq - seq)));
    seq = s.life.seq;
  }
  for (const SlotState& s : states) put_varint(out, s.metrics.present);
  for (std::size_t i = 0; i < kMetricCount; ++i)
    for (const SlotState& s : states)
      if ((s.metrics.present >> i & 1) != 0) put_metric(out, i, 0, s.metrics.value[i]);
  return out;
}

Result<> apply_block(std::string_view raw, std::uint64_t scan_ms, ReadTable& table) {
  const auto corrupt = [] { return fail(Errc::Corrupt, "keyframe block: malformed"); };
  Reader reader(raw);
  const std::size_t count = reader.count(4);
  if (count > kBlockSlots) return corrupt();
  std::uint32_t next = 0;
  unsigned none = 0;
  std::vector<std::uint32_t> slots(count);
  for (std::uint32_t& slot : slots) {
    slot = take_slot(reader, next, 0, none);
    if (!reader.ok()) return corrupt();
    if (slot >= table.size()) table.resize(slot + 1);
    if (table[slot].live) return corrupt();
    table[slot].live = true;
  }
  for (const std::uint32_t slot : slots)
    table[slot].state.life.ms = scan_ms - static_cast<std::uint64_t>(reader.signed_varint());
  std::uint64_t seq = 0;
  for (const std::uint32_t slot : slots) {
    seq += static_cast<std::uint64_t>(reader.signed_varint());
    table[slot].state.life.seq = seq;
  }
  for (const std::uint32_t slot : slots) {
    const std::uint64_t present = reader.varint();
    if (present > kAllMetrics) return corrupt();
    table[slot].state.metrics.present = static_cast<std::uint16_t>(present);
  }
  for (std::size_t i = 0; i < kMetricCount; ++i)
    for (const std::uint32_t slot : slots)
      if ((table[slot].state.metrics.present >> i & 1) != 0)
        table[slot].state.metrics.value[i] = take_metric(reader, i, 0);
  if (!reader.finished()) return corrupt();
  return {};
}

std::string encode_header(const ScanHeader& header) {
  std::string out;
  out.push_back(header.keyframe ? 1 : 0);
  put_varint(out, header.meta.scan_id);
  put_varint(out, zigzag(header.meta.time_ms));
  put_bytes(out, header.meta.collector);
  put_bytes(out, header.meta.summary.SerializeAsString());
  put_varint(out, header.rows);
  put_varint(out, header.blob_seq);
  if (header.keyframe) {
    put_varint(out, header.block_seq);
    put_varint(out, header.block_count);
  } else {
    out.append(view(to_bytes(header.previous)));
  }
  return out;
}

Result<ScanHeader> decode_header(std::string_view payload) {
  Reader reader(payload);
  ScanHeader header;
  const std::uint8_t flags = reader.byte();
  header.keyframe = flags == 1;
  header.meta.scan_id = reader.varint();
  header.meta.time_ms = reader.signed_varint();
  header.meta.collector = reader.bytes();
  const std::string_view summary = reader.bytes();
  header.rows = reader.varint();
  header.blob_seq = reader.varint();
  if (header.keyframe) {
    header.block_seq = reader.varint();
    header.block_count = reader.varint();
  } else if (const auto previous = parse_time_key(reader.raw(kTimeKeyBytes))) {
    header.previous = *previous;
  }
  const std::uint64_t max_blocks = kMaxSlots / kBlockSlots;
  if (!reader.finished() || flags > 1 || header.block_count > max_blocks || header.rows > kMaxSlots ||
      !header.meta.summary.ParseFromArray(summary.data(), static_cast<int>(summary.size())))
    return fail(Errc::Corrupt, "scan header: malformed");
  return header;
}

}  // namespace de::store
