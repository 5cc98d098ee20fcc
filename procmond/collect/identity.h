// process_uid: one name for one process, the same for every observer and after a restart of ours.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/crypto/uuid.h"

namespace de::collect {

// 6a1f0d3e-8c57-5b42-9e10-4d61656d6f6e, fixed for ever: a change renames every process ever recorded.
constexpr crypto::Uuid kProcessNamespace = {0x6a, 0x1f, 0x0d, 0x3e, 0x8c, 0x57, 0x5b, 0x42,
                                            0x9e, 0x10, 0x4d, 0x61, 0x65, 0x6d, 0x6f, 0x6e};

// UUIDv5 over "BOOT_ID:PID:START", START = floor(start / 10 ms) since boot. /proc knows no finer start, so finer
// sources round. `pid` is that of the initial pid namespace, `boot_id` as the kernel prints it, without line break.
// 16 raw bytes.
std::string process_uid(std::string_view boot_id, std::uint32_t pid, std::uint64_t start_ns);

// Of the running kernel, as it prints it: 36 characters. In collect/<os>/. Errors: NotFound, Denied, Io, Corrupt.
Result<std::string> read_boot_id(const std::string& proc_root = "/proc");

}  // namespace de::collect
