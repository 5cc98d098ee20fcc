// A point in time as a person writes it.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::console {

// Unix milliseconds of "2026-11-23T05:00:00Z" (also with a space, without seconds, with a fraction of them, or the date
// alone; UTC), of "90s", "10m", "2h", "3d" (so long before `now_ms`), or of milliseconds since 1970 as they are.
// Errors: Invalid, with the forms that are possible.
Result<std::int64_t> parse_moment(std::string_view text, std::int64_t now_ms);

}  // namespace de::console
