// What a file is, closely enough to remember its hash: see exe_hash.h for why no field may be left out.
//
// Thread: any (values).
#pragma once

#include <cstddef>
#include <cstdint>

#include "daemoneye/base/result.h"

namespace de::collect {

struct FileKey {
  std::uint64_t dev = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::int64_t btime_ns = 0;  // 0 where the file system keeps none.

  friend bool operator==(const FileKey&, const FileKey&) = default;
};

struct FileKeyHash {
  std::size_t operator()(const FileKey& key) const noexcept {
    std::uint64_t mixed = 0x9e3779b97f4a7c15U;
    for (const std::uint64_t part : {key.dev, key.inode, key.size, static_cast<std::uint64_t>(key.mtime_ns),
                                     static_cast<std::uint64_t>(key.ctime_ns)}) {
      mixed = (mixed ^ part) * 0xff51afd7ed558ccdU;
      mixed ^= mixed >> 32;
    }
    return static_cast<std::size_t>(mixed);
  }
};

// Implemented per OS. Errors: Unsupported (not a regular file), Io.
Result<FileKey> key_of(int fd);

}  // namespace de::collect
