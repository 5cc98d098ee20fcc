// /proc/PID/cmdline and /proc/PID/environ: strings that end with a NUL byte each.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace de::collect {

// A list of empty strings costs one byte each in the kernel but far more here and on the wire.
constexpr std::size_t kMaxArguments = 131'072;

// The pieces, borrowed from `text`. A process that rewrote its arguments in place (setproctitle) leaves one string
// padded with NUL bytes: the padding at the end is dropped, empty arguments in between are kept.
// What comes after the first `max_count` pieces is left out.
std::vector<std::string_view> split_arguments(std::string_view text, std::size_t max_count);

}  // namespace de::collect
