// What a courier may do once it runs: reach one port of the network, look up names, read who signs certificates.
//
// Against whom: whoever answers in the server's place and finds a hole in libcurl or OpenSSL.
//
// Thread: main, before any other exists.
#pragma once

#include <cstdint>
#include <string>

#include "daemoneye/guard/guard.h"

namespace de::courier {

// `notes` are those of Landlock and seccomp. Errors: see guard::drop(), restrict_files() and restrict_syscalls().
Result<guard::Held> confine(std::uint16_t port, const std::string& ca_file);

}  // namespace de::courier
