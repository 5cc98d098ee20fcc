#include "store/day_writer.h"

#include <algorithm>

#include "store/value.h"

namespace de::store {
namespace {

// A commit touches 100 KB or so; at one every 250 ms this is half a minute.
constexpr unsigned kCommitsBetweenForgetting = 128;

}  // namespace

// Pages of the map stay in the agent's memory once they were touched: over millions of events that is the whole day.
void DayWriter::count_commit() {
  if (++commits_ % kCommitsBetweenForgetting == 0) day_.env().forget_pages();
}

Result<std::unique_ptr<DayWriter>> DayWriter::open(Day& day) {
  std::unique_ptr<DayWriter> writer(new DayWriter(day));
  {
    DE_TRY(txn, Txn::begin(day.env(), Txn::Kind::Read));
    DE_TRY(counts, day.counts(txn));
    writer->counts_ = counts;
    DE_TRY(pending, day.pending(txn));
    writer->pending_ = pending.has_value();
  }
  writer->dictionary_ = Dictionary(writer->counts_.next_dict_id);
  DE_CHECK(writer->clear_pending());
  return writer;
}

Result<> DayWriter::clear_pending() {
  while (pending_) {  // Ends: each turn removes rows, and nothing else writes here.
    std::optional<TimeKey> from;
    {
      DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Read));
      DE_TRY(marker, day_.pending(txn));
      from = marker;
    }
    if (!from) {
      pending_ = false;
      break;
    }
    DE_TRY(emptied, clear_some(*from));
    pending_ = !emptied;
  }
  return {};
}

// Removes up to a transaction's worth of life records from `from` on, with their index entries; true when none is left
// and the marker is gone too.
Result<bool> DayWriter::clear_some(const TimeKey& from) {
  DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Write));
  RecordDecoder decoder;
  const ResolveFn resolve = [&](std::uint64_t id) { return day_.dictionary_entry(txn, id); };
  std::vector<std::pair<std::string, IndexEntries>> doomed;
  bool emptied = true;
  {
    DE_TRY(cursor, Cursor::open(txn, day_.table(DayTable::Life)));
    DE_TRY(more, cursor.seek(view(to_bytes(from))));
    while (more) {
      const auto key = parse_time_key(cursor.key());
      if (!key) return fail(Errc::Corrupt, "life record: malformed key");
      if (key->ms != from.ms) break;
      if (doomed.size() == kRowsPerCommit) {
        emptied = false;
        break;
      }
      DE_TRY(life, decoder.life(cursor.value(), resolve));
      pb::ProcessRecord record;
      if (!record.ParseFromString(life.statics)) return fail(Errc::Corrupt, "life record: does not parse");
      doomed.emplace_back(cursor.key(), index_entries(record));
      DE_TRY(next, cursor.next());
      more = next;
    }
  }
  for (const auto& [key, index] : doomed) {
    DE_CHECK(txn.erase(day_.table(DayTable::Life), key));
    for (const auto& [table, index_key] : index) DE_CHECK(txn.erase(day_.table(table), index_key, key));
  }
  if (emptied) DE_CHECK(txn.erase(day_.table(DayTable::Info), "pending"));
  DE_CHECK(txn.commit());
  return emptied;
}

Result<> DayWriter::put_dictionary(Txn& txn) {
  for (const auto& [id, bytes] : dictionary_.staged())
    DE_CHECK(txn.put(day_.table(DayTable::Dict), view(be64(id)), seal(bytes)));
  return {};
}

Result<> DayWriter::put_counts(Txn& txn, const DayCounts& counts) {
  return txn.put(day_.table(DayTable::Info), "counts", seal(encode_counts(counts)));
}

Result<> DayWriter::put_lives(Txn& txn, const StagedScan& scan, std::size_t from, std::size_t to) {
  for (std::size_t n = from; n < to; ++n) {
    const TimeKeyBytes key = to_bytes({scan.scan_ms, scan.first_seq + n});
    DE_CHECK(txn.put(day_.table(DayTable::Life), view(key), scan.lives[n].value));
    for (const auto& [table, index_key] : scan.lives[n].index)
      DE_CHECK(txn.put(day_.table(table), index_key, view(key)));
  }
  return {};
}

// All but the last transaction's worth of life records, behind a marker that says they do not count yet.
Result<> DayWriter::write_early_lives(const StagedScan& scan, std::size_t& written) {
  while (scan.lives.size() - written > kRowsPerCommit) {
    DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Write));
    const TimeKeyBytes marker = to_bytes({scan.scan_ms, scan.first_seq});
    DE_CHECK(txn.put(day_.table(DayTable::Info), "pending", seal(view(marker))));
    DE_CHECK(put_dictionary(txn));
    DE_CHECK(put_lives(txn, scan, written, written + kRowsPerCommit));
    DayCounts counts = counts_;
    counts.next_dict_id = dictionary_.next_id();
    DE_CHECK(put_counts(txn, counts));
    pending_ = true;
    DE_CHECK(txn.commit());
    counts_ = counts;
    dictionary_.committed();
    written += kRowsPerCommit;
  }
  return {};
}

Result<TimeKey> DayWriter::write_last_part(StagedScan& scan, std::size_t lives_written) {
  DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Write));
  DE_CHECK(put_dictionary(txn));
  DE_CHECK(put_lives(txn, scan, lives_written, scan.lives.size()));
  std::uint64_t seq = scan.first_seq + scan.lives.size();
  scan.header.blob_seq = seq++;
  DE_CHECK(txn.put(day_.table(DayTable::Samples), view(to_bytes({scan.scan_ms, scan.header.blob_seq})), scan.blob));
  scan.header.block_seq = seq;
  scan.header.block_count = scan.blocks.size();
  for (const std::string& block : scan.blocks)
    DE_CHECK(txn.put(day_.table(DayTable::Blocks), view(to_bytes({scan.scan_ms, seq++})), block));
  const TimeKey key{scan.scan_ms, seq++};
  DE_CHECK(txn.put(day_.table(DayTable::Scans), view(to_bytes(key)), seal(encode_header(scan.header))));
  if (pending_) DE_CHECK(txn.erase(day_.table(DayTable::Info), "pending"));
  DayCounts counts = counts_;
  counts.next_dict_id = dictionary_.next_id();
  counts.records += scan.header.rows;
  counts.scans += 1;
  DE_CHECK(put_counts(txn, counts));
  DE_CHECK(txn.commit());
  counts_ = counts;
  pending_ = false;
  dictionary_.committed();
  count_commit();
  return key;
}

Result<TimeKey> DayWriter::write_scan(StagedScan& scan) {
  DE_CHECK(clear_pending());
  // Taken before anything is written, so that a number is never used twice, whatever fails below.
  counts_.next_seq = scan.first_seq + scan.lives.size() + scan.blocks.size() + 2;
  std::size_t written = 0;
  auto early = write_early_lives(scan, written);
  if (early) {
    auto key = write_last_part(scan, written);
    if (key) return key;
    early = fail(std::move(key).error());
  }
  (void)clear_pending();  // On a full disk this fails too; it is tried again before the next write and at the start.
  return fail(std::move(early).error());
}

Result<> DayWriter::write_events(std::string_view collector, std::string_view mark, std::span<const FiledEvent> events,
                                 std::uint64_t watermark, std::uint64_t position) {
  DE_CHECK(clear_pending());
  DayCounts counts = counts_;
  const auto write = [&]() -> Result<> {
    DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Write));
    DE_CHECK(events_.add(txn, collector, events, position));
    DE_CHECK(txn.put(day_.table(DayTable::Marks), mark, encode_number(watermark)));
    counts.events += events.size();
    counts.last_position = position + events.size() - 1;
    DE_CHECK(put_counts(txn, counts));
    return txn.commit();
  };
  auto written = write();
  if (!written) {
    events_.lost();
    return written;
  }
  counts_ = counts;
  count_commit();
  return {};
}

}  // namespace de::store
