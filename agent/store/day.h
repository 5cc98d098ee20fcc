// One UTC day: an LMDB environment with the scans, lives, samples and events whose time falls into it.
//
//   life    (ms, seq) -> a process as it was first seen or after a change: everything but its metrics
//   l_pid, l_ppid, l_name, l_hash -> keys into life (DUPSORT, bare 16-byte values)
//   dict    id -> bytes that several records share
//   scan    (ms, seq) -> header        smp (ms, seq) -> zstd of what changed against the scan before
//   key     (ms, seq) -> zstd of a block of 256 slots, hourly and at the start of a chain
//   e_block position -> zstd of up to 1,024 events, column by column; e_sum position -> when they were and what of
//   e_tail  position -> what one commit added to the block that is not full yet
//   mark    collector NUL spool -> highest sequence stored in this day
//   info    "counts", and "pending" while a scan too large for one transaction is being written
//
// Thread: any for reading; one writer at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/env.h"
#include "store/keys.h"
#include "store/record_codec.h"

namespace de::store {

enum class DayTable : std::uint8_t {
  Life,
  ByPid,
  ByPpid,
  ByName,
  ByHash,
  Dict,
  Samples,
  Blocks,
  Scans,
  EventBlocks,
  EventSummaries,
  EventTail,
  Marks,
  Info
};

constexpr std::size_t kRowsPerCommit = 2000;  // LMDB keeps the memory of its largest transaction for good.

struct DayCounts {
  std::uint64_t next_seq = 1;
  std::uint64_t next_dict_id = 1;
  std::uint64_t records = 0;
  std::uint64_t events = 0;
  std::uint64_t scans = 0;
  std::uint64_t last_position = 0;  // Of an event, in the order in which the whole store got them.
};
std::string encode_counts(const DayCounts& counts);
Result<DayCounts> decode_counts(std::string_view payload);

class DayWriter;

class Day {
 public:
  static Result<std::shared_ptr<Day>> open(const std::string& path, const std::string& name, std::uint64_t map_bytes);
  ~Day();

  const std::string& name() const { return name_; }
  const Env& env() const { return *env_; }
  MDB_dbi table(DayTable table) const { return env_->table(static_cast<std::size_t>(table)); }

  Result<DayCounts> counts(const Txn& txn) const;
  // Where an unfinished scan begins: life records at this time and from this number on are not there yet.
  Result<std::optional<TimeKey>> pending(const Txn& txn) const;
  Result<std::string> dictionary_entry(const Txn& txn, std::uint64_t id) const;
  // collector NUL spool -> sequence, all of them.
  Result<std::vector<std::pair<std::string, std::uint64_t>>> marks() const;

  // Made at the first call. Thread: writer.
  Result<DayWriter*> writer();

 private:
  Day(std::unique_ptr<Env> env, std::string name);
  std::unique_ptr<Env> env_;
  std::string name_;
  std::unique_ptr<DayWriter> writer_;
};

// The index entries of one life record.
using IndexEntries = std::vector<std::pair<DayTable, std::string>>;
IndexEntries index_entries(const pb::ProcessRecord& record);
std::string name_key(std::string_view name);
std::string hash_key(std::string_view hexadecimal);
std::string pid_key(std::uint32_t pid);

}  // namespace de::store
