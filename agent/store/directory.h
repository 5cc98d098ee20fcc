// The store's directory: ours alone, used by one agent at a time, with a reserve for the day the disk is full.
//
// Thread: writer.
#pragma once

#include <cstdint>
#include <string>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::store {

class Directory {
 public:
  // Creates the directory (0700) when it is missing. Denied: another owner, or others may enter. Conflict: in use.
  static Result<Directory> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string below(const std::string& name) const { return path_ + "/" + name; }
  // Makes a directory (0700) unless it exists.
  Result<> make(const std::string& name) const;

  // 1 MiB that really occupies the disk.
  Result<> take_reserve();
  Result<> release_reserve();
  bool holds_reserve() const;  // Any thread.

 private:
  Directory(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  UniqueFd lock_;  // flock: goes away with the process, however that ends.
};

// Allocated bytes of everything below `path`.
std::uint64_t disk_bytes_below(const std::string& path);
// Removes the regular files in `path`, then the directory; it has no subdirectories.
Result<> remove_directory(const std::string& path);

}  // namespace de::store
