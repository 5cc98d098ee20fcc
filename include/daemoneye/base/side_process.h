// A process that a daemon forks before it confines itself, to do later what the daemon may not, and the messages of the
// two: sequenced packets, each whole or not at all, with at most one descriptor beside the bytes.
//
// Thread: any.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de {

struct Channel {
  UniqueFd ours;
  UniqueFd theirs;
};
// Errors: Io.
Result<Channel> make_channel();

struct Packet {
  std::vector<char> bytes;
  UniqueFd fd;  // Close-on-exec; closed where no descriptor came.
};

// `fd`: sent along unless negative; it stays the caller's. Waits while the other end does not read.
// Errors: Closed (the other end is gone), Io.
Result<> send_packet(int socket, std::span<const char> bytes, int fd = -1);
// Waits. Errors: Closed (the other end is gone), TooLarge (more than `max_bytes`: the packet is lost), Timeout (a limit
// that the socket has is over), Io.
Result<Packet> receive_packet(int socket, std::size_t max_bytes);

enum class Ready { Reading, Writing };
// Until a packet, or the end of the channel, can be read, or one written without waiting; not longer.
// Errors: Timeout.
Result<> await_channel(int socket, Ready ready, std::chrono::steady_clock::time_point until);

// Called in the child, first of all: gives it its name, closes what is not in `kept` nor a standard stream, and has it
// ignore what ends the daemon: it ends when its channels do.
void become_side_process(const char* name, std::vector<int> kept);

}  // namespace de
