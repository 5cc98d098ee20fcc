// Finds and reads rule files.
//
// Thread: any (functions over the file system).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::detect {

constexpr std::size_t kMaxFilesPerDirectory = 10'000;

// Changes whenever the content may have: an editor writes in place (time, size), a tool or an administrator replaces
// the file or the link that leads to it (device, inode).
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

struct FoundFile {
  std::string path;
  FileStamp stamp;
};

// Rule files of one directory, by name; links are followed, sub-directories and hidden files are not looked at. A
// directory that does not exist is empty. Errors: Denied, TooLarge (entries), Io.
Result<std::vector<FoundFile>> list_rule_files(const std::string& directory);

// Errors: NotFound, Denied, Invalid (not a regular file), TooLarge, Io.
Result<std::string> read_rule_file(const std::string& path);

}  // namespace de::detect
