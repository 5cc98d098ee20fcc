// Walks a ledger and says whether it is whole: every hash right, every entry linked to the one before, no number
// missing. Runs without the daemons, on files nobody vouches for.
//
// A write that a crash interrupted leaves an incomplete last record (or, after a power cut, zeros). That is a torn
// tail: reported, and harmless, because nobody was ever told the entry was stored. Everything else that does not fit
// is tampering and names the first bad entry. What this cannot see is a whole number of entries missing at the end:
// that takes a checkpoint kept elsewhere.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "daemoneye/base/result.h"
#include "daemoneye/ledger/entry.h"

namespace de::ledger {

struct BadEntry {
  std::uint64_t sequence = 0;  // The number the entry should have had.
  std::uint64_t offset = 0;    // Of its length field, within `file`.
  std::string file;            // File name without the directory; empty for a stream.
  std::string why;
};

struct Report {
  std::uint64_t entries = 0;  // Good ones, up to the first bad one.
  std::uint64_t first_sequence = 0;
  std::uint64_t last_sequence = 0;
  std::int64_t last_time_ms = 0;
  Digest last_hash{};
  std::uint64_t torn_tail_bytes = 0;
  std::string last_file;              // Name of the newest file of a directory.
  std::uint64_t last_file_bytes = 0;  // Of good entries in it: where the next one belongs.
  std::optional<BadEntry> bad;

  bool is_whole() const { return !bad; }
};

using EntryVisitor = std::function<void(const Entry&)>;

// Verifies the bytes of one file. `visit` (may be empty) sees each good entry in order.
// Errors: Io (reading failed; whatever the content is, it goes into the report).
Result<Report> verify_stream(std::istream& in, const EntryVisitor& visit);

// Verifies a ledger file, or a directory of `ledger-00000001.log`, `ledger-00000002.log`, ... as one chain.
// A single file must begin with entry 1 unless its name has a number above 1.
// Errors: NotFound (no such path, or a directory without a ledger), Denied, Invalid (not a regular file), Exhausted
// (too many files), Io.
Result<Report> verify_path(const std::string& path, const EntryVisitor& visit);

// "ledger-00000001.log" for 1, and back; 0 for any other name.
std::string ledger_file_name(std::uint32_t number);
std::uint32_t ledger_file_number(const std::string& name);

}  // namespace de::ledger
