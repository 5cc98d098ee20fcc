#include "daemoneye/link/listener.h"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "endpoint.h"

namespace de::link {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

namespace {
// A connection that cannot be accepted stays queued and ready: without a pause the loop would eat the processor until
// somebody closes a descriptor.
constexpr auto kPauseAfterFailure = 100ms;
// Then others have their turn. An answer takes several turns, and waits for this in each: 16 take a tenth of a ms.
constexpr int kClosedInARow = 16;
}  // namespace

struct Listener::State {
  State(const asio::any_io_executor& executor, SocketFile socket_file, ListenOptions given)
      : acceptor(executor), pause(executor), file(std::move(socket_file)), options(std::move(given)) {}

  void close() {
    if (closed) return;
    closed = true;
    file.remove();  // First, so that nobody connects to a queue that is about to be thrown away.
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
  }

  asio::local::stream_protocol::acceptor acceptor;
  asio::steady_timer pause;
  SocketFile file;
  ListenOptions options;
  std::function<bool(uid_t uid)> is_let_in;  // Or nobody asks.
  std::chrono::milliseconds rest{0};         // After kClosedInARow of those that were not.
  bool wants_rest = false;
  bool accepting = false;
  bool closed = false;
};

Listener::Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}
Listener::Listener(Listener&& other) noexcept = default;

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this == &other) return *this;
  close();
  state_ = std::move(other.state_);
  return *this;
}

Listener::~Listener() { close(); }

Result<Listener> Listener::open(asio::any_io_executor executor, ListenOptions options) {
  DE_TRY(socket, make_socket());
  DE_TRY(file, SocketFile::create(socket.get(), options));
  auto state = std::make_shared<State>(executor, std::move(file), std::move(options));
  error_code ec;
  state->acceptor.assign(asio::local::stream_protocol(), socket.get(), ec);
  if (ec) {
    state->close();
    return fail(Errc::Io, "watch " + state->options.path, ec);
  }
  (void)socket.release();  // The acceptor owns it now.
  return Listener(std::move(state));
}

// The next queued connection of somebody who is let in, if any.
Result<UniqueFd> Listener::accept_welcome(State& state) {
  for (int closed = 0; closed < kClosedInARow; ++closed) {
    DE_TRY(accepted, accept_from(state.acceptor.native_handle()));
    if (!accepted || !state.is_let_in) return std::move(accepted);
    DE_TRY(uid, uid_of(accepted.get()));
    if (state.is_let_in(uid)) return std::move(accepted);
  }
  state.wants_rest = true;
  return UniqueFd();
}

void Listener::ask_first(std::function<bool(uid_t uid)> is_let_in, std::chrono::milliseconds rest) {
  if (!state_) return;
  state_->is_let_in = std::move(is_let_in);
  state_->rest = rest;
}

Task<Connection> Listener::accept() { return accept_on(state_); }

Task<Connection> Listener::accept_on(std::shared_ptr<State> state) {
  if (!state || state->closed) co_return fail(Errc::Cancelled, "accept: the listener is closed");
  if (state->accepting) co_return fail(Errc::Conflict, "accept: another accept is pending");
  state->accepting = true;
  Result<UniqueFd> accepted;
  // Ends with a connection, a failure, or close(); a wake-up for a client that left again is not a result.
  while (!state->closed && accepted && !*accepted) {
    error_code ec;
    co_await state->acceptor.async_wait(asio::socket_base::wait_read, into(ec));
    if (state->closed) break;
    if (ec)
      accepted = fail(Errc::Io, "wait for a connection", ec);
    else
      accepted = accept_welcome(*state);
    if (std::exchange(state->wants_rest, false) && state->rest > 0ms && !state->closed) {
      state->pause.expires_after(state->rest);
      co_await state->pause.async_wait(into(ec));
    }
  }
  Result<Connection> connection;
  if (accepted && *accepted)
    connection = Connection::adopt(state->acceptor.get_executor(), std::move(*accepted), state->options.limits);
  else if (!accepted)
    connection = fail(std::move(accepted).error());
  if (!connection && !state->closed) {
    error_code ignored;
    state->pause.expires_after(kPauseAfterFailure);
    co_await state->pause.async_wait(into(ignored));
  }
  state->accepting = false;
  if (state->closed) co_return fail(Errc::Cancelled, "accept: the listener was closed");
  co_return connection;
}

const std::string& Listener::path() const {
  static const std::string kNone;
  return state_ ? state_->options.path : kNone;
}

void Listener::close() {
  if (state_) state_->close();
}

}  // namespace de::link
