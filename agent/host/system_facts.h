// What the operating system is asked.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "mirror/host_source.h"

namespace de::host {

// Changes when the file does; empty when there is none.
std::string stamp_of(const std::string& path);
// Errors: Io, TooLarge.
Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes);

std::string architecture();
std::int64_t seconds_since_boot();
// What cannot be read is NULL.
mirror::HostRow system_row(const std::string& etc_dir);

// None when there is no such file. Errors: Denied, Io.
Result<std::optional<mirror::HostRow>> file_row(const std::string& path);

// What is at a path, a link being itself, and of a regular file its first bytes.
struct FileStart {
  std::string type;    // As in `file`.
  std::string target;  // Of a link.
  std::string device;  // "1/3", of a device.
  bool may_run = false;
  std::string bytes;
};
// Nothing but a regular file is opened, and that only where the directories it really lies in are below one of `dirs`,
// and where no server has to answer for it. None when there is no such file. Errors: Denied, Io.
Result<std::optional<FileStart>> read_start(const std::string& path, const std::vector<std::string>& dirs,
                                            std::size_t max_bytes);

}  // namespace de::host
