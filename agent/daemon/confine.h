// What the agent may still do once it runs: two tables, each line with its reason.
//
// Against whom: whoever takes it over, by a hole in SQLite, in a parser, in a rule. Afterwards it opens no network
// socket, runs no program, traces and signals nobody, and opens no file but its store, its rules, its sinks.
//
// Thread: main. The files before any other exists, the system calls last: they bind every thread.
#pragma once

#include "daemoneye/config/config.h"
#include "daemoneye/guard/guard.h"

namespace de::daemon {

// `input`: where the settings are read again. Errors: see guard::restrict_files() and restrict_syscalls().
Result<> confine_files(const config::AgentConfig& config, const config::LoadInput& input, guard::Held& held);
Result<> confine_syscalls(guard::Held& held);

}  // namespace de::daemon
