// How our programs in the kernel write paths and devices.
//
// Thread: any (pure functions).
#pragma once

#include <sys/sysmacros.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace de::collect {

// "sh\0bin\0usr\0" is /usr/bin/sh. Cut at its beginning: ".../usr/bin/sh".
std::string join_path(std::string_view components, bool cut);

inline std::uint64_t to_user_dev(std::uint32_t kernel_dev) {
  return ::makedev(kernel_dev >> 20, kernel_dev & 0xfffffU);
}

}  // namespace de::collect
