// The environment of a process, as scans and execs both put it into a record.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "daemoneye/process.pb.h"

namespace de::collect {

constexpr std::size_t kMaxEnvironment = 256UL * 1024;  // Together with argv it must fit a 4 MiB frame.

// `received`: entries ended by NUL, cut here when there are more than kMaxEnvironment bytes; `length`: of the whole
// environment, absent when nobody can tell. What is missing is said by environment_cut.
void set_environment(std::string_view received, std::optional<std::uint64_t> length, bool mask, pb::ProcessRecord& out);

}  // namespace de::collect
