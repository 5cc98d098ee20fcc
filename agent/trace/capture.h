// From what was read of a process to what is stored of it.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <vector>

#include "daemoneye/trace.pb.h"
#include "mirror/live.h"
#include "trace/tracer.h"

namespace de::trace {

constexpr std::size_t kMaxItemBytes = 900'000;  // Of one capture, with room for the rest in what the store takes.

// What must be read for it. Of every process its arguments are: who has none is gone.
std::vector<mirror::LiveKey> keys_of(const Reading& reading);
// `rows` has what could be read of these keys.
pb::Capture capture_of(const Reading& reading, const mirror::LiveRows& rows, std::int64_t now_ms);

}  // namespace de::trace
