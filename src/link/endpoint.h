// Socket files and descriptors: everything about a Unix socket that is not reading or writing frames.
//
// Thread: any (no shared state); nothing here blocks, except SocketFile::create for at most a second.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"
#include "daemoneye/link/listener.h"
#include "daemoneye/link/peer.h"

namespace de::link {

// Limits from outside are taken as at most a day, so that adding one to a clock cannot overflow.
std::chrono::milliseconds bounded(std::chrono::milliseconds limit);

// Errors: Invalid (empty, over 107 bytes, a NUL inside).
Result<> check_socket_path(const std::string& path);

// A stream socket, close-on-exec and non-blocking. Errors: Exhausted, Io.
Result<UniqueFd> make_socket();

// True: connected. False: the listener's queue is full, try again.
// Errors: NotFound, Denied, Closed (nobody is listening), Invalid (not a stream socket), Io.
Result<bool> try_connect(int socket, const std::string& path);

// The next queued connection, close-on-exec and non-blocking; an empty descriptor when there is none after all.
// Errors: Exhausted (no descriptors or memory), Io.
Result<UniqueFd> accept_from(int listening);

// Who connected to, or listens on, the other end of `socket`. Errors: Io.
Result<Peer> peer_of(int socket);

// The uid of it alone, which costs less. Errors: Io.
Result<uid_t> uid_of(int socket);

// The file of a listening socket, and the right to remove it.
class SocketFile {
 public:
  // Checks the directory, removes what a crashed listener left, binds `socket`, sets group and mode, and listens.
  // Errors: as Listener::open.
  static Result<SocketFile> create(int socket, const ListenOptions& options);

  SocketFile(SocketFile&&) noexcept = default;
  SocketFile& operator=(SocketFile&&) noexcept = default;

  // Removes the file if it is still the one that was created, by this process. A failure is of no consequence: the
  // next listener finds a socket nobody listens on and replaces it.
  void remove();

 private:
  SocketFile(UniqueFd directory, std::string name);
  Result<> clear_stale(const std::string& path) const;
  Result<> bind(int socket, const std::string& path);
  Result<> set_access(const ListenOptions& options) const;

  UniqueFd directory_;
  std::string name_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  pid_t maker_ = 0;  // 0 while there is nothing to remove.
};

}  // namespace de::link
