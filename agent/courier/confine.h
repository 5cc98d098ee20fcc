// What a courier may do once it runs: reach one port of the network, look up names, read who signs certificates; or,
// for a socket of this host, write to the one it has and nothing else.
//
// Against whom: whoever answers in the server's place and finds a hole in libcurl or OpenSSL.
//
// Thread: main, before any other exists.
#pragma once

#include "courier/destination.h"
#include "daemoneye/guard/guard.h"

namespace de::courier {

// `notes` are those of Landlock and seccomp. Errors: see guard::drop(), restrict_files() and restrict_syscalls().
Result<guard::Held> confine(const Needs& needs);

}  // namespace de::courier
