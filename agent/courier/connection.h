// Sockets with deadlines, which is all that syslog over a network needs besides TLS.
//
// Thread: any.
#pragma once

#include <poll.h>

#include <chrono>
#include <string_view>

#include "courier/place.h"
#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::courier {

using Deadline = std::chrono::steady_clock::time_point;

// Until one of `events`, an error or the end. Errors: Timeout, Io.
Result<> await_socket(int fd, short events, Deadline until);

// To the first address of the host that answers, without waiting afterwards; `kind` is SOCK_STREAM or SOCK_DGRAM.
// Errors: NotFound (nobody knows the name), Timeout, Closed (refused), Io.
Result<UniqueFd> connect_to(const Place& place, int kind, Deadline until);

// Errors: Timeout, Closed, Io.
Result<> send_all(int fd, std::string_view bytes, Deadline until);

// Until the other host has acknowledged all that was sent: its kernel has it, if not its program.
// Errors: Timeout, Io.
Result<> await_acknowledged(int fd, Deadline until);

// What failed on the socket since it was last asked; 0: nothing.
int pending_error(int fd);

// Errors: Closed (the other end has ended the connection), Io. What it says is thrown away: syslog has no answers.
Result<> check_open(int fd);

}  // namespace de::courier
