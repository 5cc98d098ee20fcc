// The audit ledger on disk. procmond owns it and is its only writer; everybody else asks procmond to append.
// An entry that append() returned a number for is on the disk.
//
// Thread: io.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"
#include "daemoneye/ledger/entry.h"
#include "daemoneye/ledger/verify.h"

namespace de::audit {

constexpr std::size_t kMaxBatch = 1024;  // Entries of one append_batch: one write of at most 17 MiB.

struct LedgerItem {
  std::string actor;
  std::string action;
  std::string payload_json;
};

struct LedgerCounts {
  std::uint64_t entries = 0;         // In the ledger.
  std::uint64_t appended = 0;        // Since open().
  std::uint64_t refused = 0;         // Appends with an argument beyond its limit.
  std::uint64_t write_failures = 0;  // Appends that did not reach the disk; their callers were told.
  std::uint64_t repaired_bytes = 0;  // Torn tail removed by open().
  std::uint64_t file_bytes = 0;
};

class LedgerFile {
 public:
  // Opens the ledger in `dir` (created with mode 0750 if missing), verifies all of it, removes a torn tail and records
  // that it did. `clock` must outlive the object.
  // Errors: Conflict (another procmond has it), Corrupt (tampered with; the text names the first bad entry),
  // Invalid (something in the directory is not a regular file), Denied, NotFound, Io.
  static Result<std::unique_ptr<LedgerFile>> open(const std::string& dir, const Clock& clock);
  ~LedgerFile() = default;

  // Appends one entry and returns its sequence number. `actor` is who was authenticated, never a claim.
  // After a failure nothing of the entry is in the ledger and the next append may succeed.
  // Errors: Invalid, TooLarge (see ledger::encode), Exhausted (disk full), Io.
  Result<std::uint64_t> append(std::string_view actor, std::string_view action, std::string_view payload_json);

  // All of them or none, with one write; returns the number of the last. Errors: as append; Invalid for an empty
  // batch, TooLarge for more than kMaxBatch.
  Result<std::uint64_t> append_batch(std::span<const LedgerItem> items);

  std::uint64_t last_sequence() const { return sequence_; }
  const ledger::Digest& last_hash() const { return hash_; }
  LedgerCounts counts() const;

 private:
  LedgerFile(UniqueFd lock, UniqueFd file, std::string name, const ledger::Report& report, const Clock& clock);
  Result<> write(std::string_view bytes);
  Result<> restore();

  const Clock& clock_;
  const UniqueFd lock_;  // ledger-00000001.log; its flock is what makes us the only writer.
  const UniqueFd file_;  // The newest file.
  const std::string name_;
  std::uint64_t sequence_;
  ledger::Digest hash_;
  std::uint64_t file_bytes_;  // Good entries; anything beyond is a failed write's.
  bool dirty_ = false;        // There may be something beyond.
  LedgerCounts counts_;
};

}  // namespace de::audit
