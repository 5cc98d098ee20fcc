// The file a process is running, and whether its path still leads to it.
//
// Thread: collector.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

#include "collect/file_key.h"
#include "daemoneye/base/result.h"
#include "daemoneye/process.pb.h"

namespace de::collect {

// What the kernel appends to the path of a file that is gone.
inline constexpr std::string_view kDeleted = " (deleted)";

struct FileFacts {
  FileKey key;
  std::uint64_t links = 0;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;

  friend bool operator==(const FileFacts&, const FileFacts&) = default;
};
// Kept as bytes in a TextPool: many processes run one file.
static_assert(std::has_unique_object_representations_v<FileFacts>);

// Follows links; `path` is relative to `dir_fd` unless absolute. Does not ask a network file system for news.
// Errors: NotFound, Denied, Io.
Result<FileFacts> facts_at(int dir_fd, const char* path);

struct OnDisk {
  pb::OnDiskState state = pb::ON_DISK_UNKNOWN;
  std::string path;  // As the process was started, without the kernel's " (deleted)".
  bool exists = false;
};

using LookUp = std::function<Result<FileFacts>(const std::string& path)>;

// `link` is the text of /proc/PID/exe, `running` the file behind it. A path means nothing in another mount
// namespace: with `same_mounts` false only what needs no path is told.
OnDisk judge_on_disk(std::string_view link, const FileFacts& running, bool same_mounts, const LookUp& look_up);

}  // namespace de::collect
