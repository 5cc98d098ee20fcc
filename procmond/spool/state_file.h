// What the spool must remember apart from the events: its id, the acknowledged watermark, the highest number ever
// given out, and what was lost. `spool.state` has two fixed slots written in turn, so that one good copy always
// exists; unlike replacing a file by rename this needs no new blocks, and a shed event can be recorded on the very
// disk that is full.
//
//   slot (32 KiB): u32 n | u32 CRC-32C | n bytes: u8 version 2 | u64 generation | spool id 16 | u64 acked
//     | u64 last sequence | u64 reserved | boot id 36 | u16 ranges
//     | per range: u64 first | u64 last | i64 from ms | i64 to ms | u8 reason
//
// Thread: io (owned by the spool).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"
#include "spool/loss.h"

namespace de::spool {

constexpr std::size_t kBootIdBytes = 36;  // As the kernel prints it.

struct SpoolState {
  std::string spool_id;
  std::uint64_t acked = 0;
  std::uint64_t last_sequence = 0;
  std::uint64_t reserved = 0;  // Not below last_sequence; up to here numbers may be given out without another write.
  std::string boot_id;         // Of the boot that gave them out; kBootIdBytes, or empty when it is not known.
  LossList lost;
};

std::string encode_state(const SpoolState& state, std::uint64_t generation);
// Errors: Corrupt, Unsupported.
Result<SpoolState> decode_state(std::string_view slot, std::uint64_t& generation);

class StateFile {
 public:
  // Opens or creates the file and takes the lock that makes this process the spool's only owner.
  // Errors: Conflict (another procmond has the spool), Exhausted, Denied, Io.
  static Result<StateFile> open(int dir_fd);

  // The newest good copy at open(), or nothing: a new file, or both slots damaged.
  const std::optional<SpoolState>& loaded() const { return loaded_; }

  // A durable copy survives a power cut; otherwise it survives the end of this process only, and is cheap.
  // Errors: Exhausted, Io.
  Result<> write(const SpoolState& state, bool durable);

 private:
  explicit StateFile(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<> load();

  UniqueFd fd_;
  std::optional<SpoolState> loaded_;
  std::uint64_t generation_ = 0;
  unsigned scratch_ = 0;  // The slot that may be overwritten; the other one holds the last durable copy.
};

}  // namespace de::spool
