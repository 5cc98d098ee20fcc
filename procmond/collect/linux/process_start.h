// When a process that is known by its identity began, as the opener wants to be told.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "collect/linux/proc_root.h"
#include "daemoneye/base/result.h"

namespace de::collect {

// In ticks since boot. Errors: NotFound (gone, or the pid is another's now), Denied, Io.
Result<std::uint64_t> start_of(const ProcRoot& root, std::uint32_t pid, std::string_view uid);

}  // namespace de::collect
