// A report of load_child as members of a truth row.
//
// Thread: any (pure).
#pragma once

#include <string>

#include "start.h"

namespace de::load {

// argc, argv_bytes (with NULs), argv_sha256, argv_hex (the first 4096 bytes), exe_link (what /proc/self/exe said).
std::string received(const Report& report);

}  // namespace de::load
