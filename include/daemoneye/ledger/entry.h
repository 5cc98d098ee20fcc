// One entry of the audit ledger and its canonical bytes. Each entry carries the hash of the one before it, so that
// nothing can be changed, removed or inserted without every later hash being wrong.
//
// Layout, version 1, integers little-endian (docs/storage.md has the same table):
//   u8 version | u64 sequence | i64 time_ms | u16 n, actor | u16 n, action | u32 n, payload
//   | payload hash 32 | previous entry hash 32 | entry hash 32
// In a file each entry is preceded by its length as u32. Both hashes are BLAKE3 in key-derivation mode, each with its
// own context, so that a payload can never pass for an entry. The entry hash covers all bytes before it.
//
// Thread: any (values and pure functions).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/crypto/digest.h"

namespace de::ledger {

using crypto::Digest;

constexpr std::uint8_t kEntryVersion = 1;
constexpr std::size_t kMaxActorBytes = 256;
constexpr std::size_t kMaxActionBytes = 64;
constexpr std::size_t kMaxPayloadBytes = 16 * 1024;
constexpr std::size_t kMinEntryBytes = 1 + 8 + 8 + 2 + 1 + 2 + 1 + 4 + 3 * 32;  // Actor and action are never empty.
constexpr std::size_t kMaxEntryBytes = kMinEntryBytes - 2 + kMaxActorBytes + kMaxActionBytes + kMaxPayloadBytes;
constexpr std::size_t kLengthBytes = 4;

inline constexpr char kEntryContext[] = "DaemonEye ledger entry v1";
inline constexpr char kPayloadContext[] = "DaemonEye ledger payload v1";

struct Entry {
  std::uint64_t sequence = 0;  // 1, 2, 3, ... without a hole.
  std::int64_t time_ms = 0;
  std::string actor;    // Who, as authenticated: "procmond", "uid:1000". Not a claim of the peer.
  std::string action;   // What: "start", "rule.changed".
  std::string payload;  // JSON.
  Digest payload_hash{};
  Digest previous_hash{};  // All zero for entry 1.
  Digest entry_hash{};

  bool operator==(const Entry&) const = default;
};

// The entry's bytes. Fills in payload_hash and entry_hash. Errors: Invalid (an empty actor or action), TooLarge.
Result<std::string> encode(Entry& entry);

// Reads exactly one entry and checks both of its hashes, not its place in the chain.
// Errors: Unsupported (another version), TooLarge, Corrupt.
Result<Entry> decode(std::string_view bytes);

// How long the entry starting with `partial` says it is, as far as that can be told: 0 when the bytes end before it
// shows. Errors: Unsupported, TooLarge, Corrupt. For telling an interrupted write from a damaged length.
Result<std::size_t> stated_bytes(std::string_view partial);

}  // namespace de::ledger
