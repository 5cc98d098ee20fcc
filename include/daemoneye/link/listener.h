// Accepts connections on a Unix socket whose path, owner, mode and group were checked before anybody can connect.
//
// Thread: io (the executor it was opened with; one thread runs it). open() blocks for at most a second.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemoneye/base/result.h"
#include "daemoneye/link/connection.h"
#include "daemoneye/link/task.h"

namespace de::link {

struct ListenOptions {
  std::string path;
  mode_t mode;                 // Permission bits of the socket: who may connect.
  std::optional<gid_t> group;  // Group of the socket; unchanged when absent.
  Limits limits;               // Of every connection that is accepted.
  // Connections that wait to be accepted. A short queue is a short wait behind somebody who connects without end; who
  // finds it full asks again in a moment, and has as good a chance as he.
  int queued = 1;
};

class Listener {
 public:
  // Binds and listens. A socket that nobody listens on any more (left by a crash) and that belongs to us is replaced.
  //
  // Errors: Invalid (path empty or over 107 bytes), NotFound (its directory is missing), Denied (directory or socket is
  // not ours to use, or everybody may write to the directory), Conflict (another agent is listening or starting there,
  // or the path is not a socket), Io.
  static Result<Listener> open(boost::asio::any_io_executor executor, ListenOptions options);

  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  // The next connection, with its peer known. Deciding whether that peer is welcome is the caller's business.
  //
  // Errors: Cancelled (close() was called: stop), Conflict (another accept is pending). After Exhausted (no file
  // descriptors left) and Io call again: accept() has already waited a moment, so a loop around it does not spin.
  Task<Connection> accept();

  // From now on `is_let_in` is asked who is at the other end before anything is spent on a connection. What it does not
  // let in is closed at once, and accept() goes on; after 16 of them that were queued together it rests so long, that
  // whoever connects without end does not take our time. The function outlives the listener or a later call of this.
  void ask_first(std::function<bool(uid_t uid)> is_let_in, std::chrono::milliseconds rest);

  const std::string& path() const;

  // Stops accepting and removes the socket if it is still the one that open() made. Only the process that opened it
  // removes it, not a child forked later.
  void close();

 private:
  struct State;
  explicit Listener(std::shared_ptr<State> state);
  static Task<Connection> accept_on(std::shared_ptr<State> state);
  static Result<UniqueFd> accept_welcome(State& state);

  // Shared with the accept that is pending, so that the listener may be moved or destroyed under it.
  std::shared_ptr<State> state_;
};

}  // namespace de::link
