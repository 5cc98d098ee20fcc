// What procmond and its opener may still do once they run: two tables, each line with its reason.
//
// Against whom: whoever takes over one of them. After these calls neither opens a network socket, runs a program,
// traces or signals anybody, loads a BPF program, or changes who it is; procmond opens no file but those it works with.
//
// Thread: main, before any other exists.
#pragma once

#include <cstdint>

#include "daemoneye/config/config.h"
#include "daemoneye/guard/guard.h"

namespace de::daemon {

// What procmond itself has to keep: nothing, unless /proc shows only one's own processes (hidepid). Then it takes
// CAP_SYS_PTRACE to see the others, and Landlock would hide them again.
std::uint64_t needed_capabilities();

// After everything is open that is not in its table. `input`: where the settings are read again.
// Errors: see guard::restrict_files() and restrict_syscalls().
Result<> confine_procmond(const config::ProcmondConfig& config, const config::LoadInput& input, guard::Held& held);

// Its files cannot be restricted by Landlock, which would take from it what it is there for; what it opens it can only
// open for reading.
Result<> confine_opener(guard::Held& held);

}  // namespace de::daemon
