// What loading any of our programs into the kernel takes, and how its failure reads.
//
// Thread: one at a time; libbpf's messages are the process's.
#pragma once

#ifdef DE_BPF
#include "daemoneye/base/result.h"

namespace de::collect {

// Before loading: can it work at all? Errors: Unsupported.
Result<> check_bpf();

// Why `step` failed, in libbpf's own words where it has some. Errors: Denied, Unsupported.
tl::unexpected<Error> bpf_failed(const char* step, int error);

}  // namespace de::collect
#endif
