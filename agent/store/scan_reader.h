// Rebuilds scans of one day, row by row, from keyframes and changes.
//
// Thread: any; one reader per thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/day.h"
#include "store/scan_codec.h"

namespace de::store {

// The dictionary of a day, remembered up to a size.
class DictionaryReader {
 public:
  explicit DictionaryReader(const Day& day) : day_(day) {}
  Result<std::string> resolve(const Txn& txn, std::uint64_t id);

 private:
  const Day& day_;
  std::unordered_map<std::uint64_t, std::string> known_;
  std::size_t bytes_ = 0;
};

// Where a reading by pieces goes on: this slot of the first scan from here on.
struct ScanPlace {
  TimeKey scan;
  std::size_t slot = 0;
};

class ScanReader {
 public:
  explicit ScanReader(const Day& day) : day_(day), dictionary_(day) {}
  // Both count what they hand out in `outcome`, and stop when `fn` says so.
  Result<> rows(std::uint64_t from_ms, std::uint64_t to_ms, const ScanFn& fn, ReadOutcome& outcome);
  // Hands out rows from `place` on, and moves it behind them. Looks at kScansPerPage scans at most. True: there is
  // nothing left before `to_ms`. One reader is asked with one filter only.
  Result<bool> page(ScanPlace& place, std::uint64_t to_ms, const HistoryFilter& filter, const HistoryFn& fn);
  Result<> headers(std::uint64_t from_ms, std::uint64_t to_ms, const ScanMetaFn& fn, ReadOutcome& outcome);

 private:
  struct At {
    TimeKey key;
    ReadTable table;
  };

  Result<ReadTable*> table_at(const Txn& txn, const TimeKey& key, const ScanHeader& header);
  Result<> advance(const Txn& txn, const TimeKey& key, const ScanHeader& header, ReadTable& table);
  Result<> emit(const Txn& txn, const ScanHeader& header, ReadTable& table, const ScanFn& fn, ReadOutcome& outcome);
  // False when `fn` took no more.
  Result<bool> emit_from(const Txn& txn, const ScanHeader& header, std::size_t& slot, ReadTable& table,
                         const HistoryFilter& filter, const HistoryFn& fn);
  // Into record_, then completes it.
  Result<> parse_statics(const Txn& txn, ReadSlot& slot);
  const pb::ProcessRecord& with_metrics(const ScanHeader& header, const ReadSlot& slot);
  Result<std::shared_ptr<const std::string>> statics_of(const Txn& txn, ReadSlot& slot);

  const Day& day_;
  DictionaryReader dictionary_;
  RecordDecoder decoder_;
  Unpacker unpacker_;
  pb::ProcessRecord record_;  // Reused.
  std::vector<At> tables_;    // Where the chains stand that were read last; at most kMaxReadTables.
};

}  // namespace de::store
