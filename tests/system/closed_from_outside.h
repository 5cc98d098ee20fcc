// What an attacker with every right does to a process: takes a descriptor away from it without its knowing.
#pragma once

#include <sys/types.h>

#include <string>

namespace de::system_test {

// The descriptor of `pid` whose /proc/PID/fdinfo has `line`; -1: none.
int find_descriptor(pid_t pid, const std::string& line);

// Has the process close it, by tracing it, and open its standard input once more in its place. Empty when it did, or
// what went wrong.
std::string close_from_outside(pid_t pid, int fd);

}  // namespace de::system_test
