// What the operating system is asked.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

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

}  // namespace de::host
