// Positioned reads and writes that finish or say why not.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::spool {

// errno as an Error: Exhausted (no room), Denied, NotFound, otherwise Io.
tl::unexpected<Error> disk_failure(const std::string& what, std::error_code os = last_os_error());

// Up to `bytes` from `offset`; fewer at the end of the file. Errors: Io.
Result<std::string> read_range(int fd, std::uint64_t offset, std::size_t bytes);

// Errors: Exhausted, Io; then any part of `bytes` may have been written.
Result<> write_all(int fd, std::uint64_t offset, std::string_view bytes);

}  // namespace de::spool
