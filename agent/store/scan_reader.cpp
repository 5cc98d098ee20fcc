#include "store/scan_reader.h"

#include <algorithm>

#include "store/value.h"

namespace de::store {
namespace {

constexpr std::size_t kMaxReadTables = 4;  // Collectors whose scans interleave, without starting over.
constexpr std::size_t kMaxDictionaryBytes = 8 << 20;
constexpr std::size_t kMaxKeptStatics = 4096;       // A longer record is read again instead of kept.
constexpr std::size_t kScansPerPage = 64;           // Some milliseconds.
constexpr std::uint64_t kRowsPerSnapshot = 20'000;  // A long read transaction keeps the writer from reusing pages.

Error as_corrupt(Error&& error, std::string_view step) {
  Error named = std::move(error).during(step);
  if (named.code() == Errc::Corrupt || named.code() == Errc::Exhausted) return named;
  return {Errc::Corrupt, named.message()};
}

bool matches(const HistoryFilter& filter, const pb::ProcessRecord& record) {
  if (filter.pid && record.pid() != *filter.pid) return false;
  if (filter.ppid && (!record.has_ppid() || record.ppid() != *filter.ppid)) return false;
  if (!filter.process_uid.empty() && record.process_uid() != filter.process_uid) return false;
  if (!filter.name.empty() && record.name() != filter.name) return false;
  return filter.executable_hash.empty() || record.executable_hash() == filter.executable_hash;
}

Result<std::pair<TimeKey, ScanHeader>> header_at(std::string_view raw_key, std::string_view value) {
  const auto key = parse_time_key(raw_key);
  if (!key) return fail(Errc::Corrupt, "scan header: malformed key");
  DE_TRY(payload, unseal(value, "scan header"));
  DE_TRY(header, decode_header(payload));
  return std::pair(*key, std::move(header));
}

}  // namespace

Result<std::string> DictionaryReader::resolve(const Txn& txn, std::uint64_t id) {
  if (const auto known = known_.find(id); known != known_.end()) return known->second;
  DE_TRY(bytes, day_.dictionary_entry(txn, id));
  bytes_ += bytes.size() + 64;
  if (bytes_ > kMaxDictionaryBytes) {
    known_.clear();
    bytes_ = bytes.size();
  }
  known_.emplace(id, bytes);
  return std::move(bytes);
}

// From the table of the previous scan (or, for a keyframe, from nothing) to the table of this one.
Result<> ScanReader::advance(const Txn& txn, const TimeKey& key, const ScanHeader& header, ReadTable& table) {
  const auto unpacked = [&](DayTable from, std::uint64_t seq, std::string_view what) -> Result<std::string_view> {
    DE_TRY(value, txn.get(day_.table(from), view(to_bytes({key.ms, seq}))));
    if (!value) return fail(Errc::Corrupt, std::string(what) + ": missing");
    DE_TRY(payload, unseal(*value, what));
    auto raw = unpacker_.unpack(payload, kMaxBlobBytes);
    if (!raw) return fail(as_corrupt(std::move(raw).error(), what));
    return raw;
  };
  if (header.keyframe) {
    table.clear();
    for (std::uint64_t n = 0; n < header.block_count; ++n) {
      DE_TRY(raw, unpacked(DayTable::Blocks, header.block_seq + n, "keyframe block"));
      DE_CHECK(apply_block(raw, key.ms, table));
    }
  }
  DE_TRY(raw, unpacked(DayTable::Samples, header.blob_seq, "scan changes"));
  return apply_changes(raw, key.ms, table);
}

Result<ReadTable*> ScanReader::table_at(const Txn& txn, const TimeKey& key, const ScanHeader& header) {
  const auto same = std::ranges::find(tables_, key, &At::key);
  if (same != tables_.end()) return &same->table;
  // Back along the chain to a keyframe, or to where the last read stands.
  std::vector<std::pair<TimeKey, ScanHeader>> path;
  path.emplace_back(key, header);
  auto known = tables_.end();
  while (!path.back().second.keyframe) {
    const TimeKey previous = path.back().second.previous;
    known = std::find_if(tables_.begin(), tables_.end(), [&](const At& at) { return at.key == previous; });
    if (known != tables_.end()) break;
    if (path.size() > kMaxChain) return fail(Errc::Corrupt, "scan: chain without a keyframe");
    DE_TRY(value, txn.get(day_.table(DayTable::Scans), view(to_bytes(previous))));
    if (!value) return fail(Errc::Corrupt, "scan: the one before is missing");
    DE_TRY(before, header_at(view(to_bytes(previous)), *value));
    path.push_back(std::move(before));
  }
  At at;
  if (known != tables_.end()) {
    at = std::move(*known);
    tables_.erase(known);
  } else if (tables_.size() == kMaxReadTables) {
    tables_.erase(tables_.begin());
  }
  for (auto step = path.rbegin(); step != path.rend(); ++step)
    DE_CHECK(advance(txn, step->first, step->second, at.table));
  at.key = key;
  tables_.push_back(std::move(at));
  return &tables_.back().table;
}

Result<std::shared_ptr<const std::string>> ScanReader::statics_of(const Txn& txn, ReadSlot& slot) {
  if (slot.statics) return slot.statics;
  DE_TRY(value, txn.get(day_.table(DayTable::Life), view(to_bytes(slot.state.life))));
  if (!value) return fail(Errc::Corrupt, "life record: missing");
  const ResolveFn resolve = [&](std::uint64_t id) { return dictionary_.resolve(txn, id); };
  DE_TRY(life, decoder_.life(*value, resolve));
  auto statics = std::make_shared<const std::string>(std::move(life.statics));
  if (statics->size() <= kMaxKeptStatics) slot.statics = statics;
  return statics;
}

Result<> ScanReader::parse_statics(const Txn& txn, ReadSlot& slot) {
  DE_TRY(statics, statics_of(txn, slot));
  if (!record_.ParseFromString(*statics)) return fail(Errc::Corrupt, "life record: does not parse");
  return {};
}

const pb::ProcessRecord& ScanReader::with_metrics(const ScanHeader& header, const ReadSlot& slot) {
  apply_metrics(slot.state.metrics, record_);
  record_.set_collection_time_ms(static_cast<std::int64_t>(static_cast<std::uint64_t>(header.meta.time_ms) +
                                                           static_cast<std::uint64_t>(slot.state.offset_ms)));
  return record_;
}

Result<> ScanReader::emit(const Txn& txn, const ScanHeader& header, ReadTable& table, const ScanFn& fn,
                          ReadOutcome& outcome) {
  for (ReadSlot& slot : table) {
    if (!slot.live) continue;
    DE_CHECK(parse_statics(txn, slot));
    ++outcome.rows;
    if (!fn(header.meta, with_metrics(header, slot))) {
      outcome.stopped = true;
      return {};
    }
  }
  return {};
}

Result<> ScanReader::rows(std::uint64_t from_ms, std::uint64_t to_ms, const ScanFn& fn, ReadOutcome& outcome) {
  DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Read));
  TimeKey from{from_ms, 0};
  for (bool more = true; more;) {
    const std::uint64_t rows_before = outcome.rows;
    DE_TRY(cursor, Cursor::open(txn, day_.table(DayTable::Scans)));
    DE_TRY(found, cursor.seek(view(to_bytes(from))));
    more = found;
    while (more && outcome.rows - rows_before < kRowsPerSnapshot) {
      DE_TRY(scan, header_at(cursor.key(), cursor.value()));
      if (scan.first.ms >= to_ms) return {};
      DE_TRY(table, table_at(txn, scan.first, scan.second));
      DE_CHECK(emit(txn, scan.second, *table, fn, outcome));
      if (outcome.stopped) return {};
      from = {scan.first.ms, scan.first.seq + 1};
      DE_TRY(next, cursor.next());
      more = next;
    }
    if (!more) break;
    cursor.close();
    DE_CHECK(txn.renew());
  }
  return {};
}

Result<bool> ScanReader::emit_from(const Txn& txn, const ScanHeader& header, std::size_t& slot, ReadTable& table,
                                   const HistoryFilter& filter, const HistoryFn& fn) {
  for (; slot < table.size(); ++slot) {
    ReadSlot& one = table[slot];
    if (!one.live || !one.is_wanted.value_or(true)) continue;
    DE_CHECK(parse_statics(txn, one));
    if (!one.is_wanted) one.is_wanted = matches(filter, record_);
    if (!*one.is_wanted)
      one.statics = nullptr;
    else if (!fn(header.meta, header.rows, with_metrics(header, one)))
      return false;
  }
  return true;
}

Result<bool> ScanReader::page(ScanPlace& place, std::uint64_t to_ms, const HistoryFilter& filter, const HistoryFn& fn) {
  DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, day_.table(DayTable::Scans)));
  DE_TRY(more, cursor.seek(view(to_bytes(place.scan))));
  for (std::size_t scans = 0; more; ++scans) {
    DE_TRY(scan, header_at(cursor.key(), cursor.value()));
    if (scan.first.ms >= to_ms) return true;
    if (scans == kScansPerPage) return false;
    if (scan.first != place.scan) place = {scan.first, 0};
    if (!filter.scan_id || scan.second.meta.scan_id == *filter.scan_id) {
      DE_TRY(table, table_at(txn, scan.first, scan.second));
      DE_TRY(finished, emit_from(txn, scan.second, place.slot, *table, filter, fn));
      if (!finished) return false;
    }
    place = {{scan.first.ms, scan.first.seq + 1}, 0};
    DE_TRY(next, cursor.next());
    more = next;
  }
  return true;
}

Result<> ScanReader::headers(std::uint64_t from_ms, std::uint64_t to_ms, const ScanMetaFn& fn, ReadOutcome& outcome) {
  DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, day_.table(DayTable::Scans)));
  DE_TRY(more, cursor.seek(view(to_bytes({from_ms, 0}))));
  while (more) {
    DE_TRY(scan, header_at(cursor.key(), cursor.value()));
    if (scan.first.ms >= to_ms) break;
    ++outcome.rows;
    if (!fn(scan.second.meta, scan.second.rows)) {
      outcome.stopped = true;
      break;
    }
    DE_TRY(next, cursor.next());
    more = next;
  }
  return {};
}

}  // namespace de::store
