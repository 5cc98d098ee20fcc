// The file of known hashes that survives a restart. Losing it costs time, trusting a damaged one would cost truth:
// what does not check out as a whole is not used at all. Format in docs/storage.md:
//
//   "DEHASH1\n" | u32 count | count x { 6 x u64 key, 32 bytes SHA-256, u64 last use } | SHA-256 of all before
//
// Thread: any (functions over one file; one writer at a time).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "collect/exe_hash.h"
#include "collect/file_key.h"
#include "daemoneye/base/result.h"

namespace de::collect {

struct KnownHash {
  FileKey key;
  Digest digest{};
  std::uint64_t last_use = 0;
};

std::string encode_hashes(const std::vector<KnownHash>& hashes);
// Errors: Corrupt, TooLarge (more than `max_entries`).
Result<std::vector<KnownHash>> decode_hashes(std::string_view text, std::size_t max_entries);

// Errors: NotFound, Denied (not a regular file of our own or root's), TooLarge, Io.
Result<std::string> read_hash_file(const std::string& path, std::size_t max_bytes);
// Replaces the file as a whole, or not at all. Errors: Denied, Io.
Result<> write_hash_file(const std::string& path, std::string_view text);

}  // namespace de::collect
