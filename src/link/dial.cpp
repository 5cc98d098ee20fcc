#include "daemoneye/link/dial.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "endpoint.h"

namespace de::link {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {
// A full queue has room again in a moment; where it has not for so long, asking less often costs less.
std::chrono::microseconds pause_after(std::chrono::steady_clock::duration waited) {
  if (waited < 20ms) return 100us;
  return waited < 200ms ? 1ms : 10ms;
}
}  // namespace

Task<Connection> dial(std::string path, Limits limits, std::chrono::milliseconds limit) {
  if (auto usable = check_socket_path(path); !usable) co_return fail(std::move(usable).error());
  DE_CO_TRY(socket, make_socket());
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto begin = std::chrono::steady_clock::now();
  const auto until = begin + bounded(limit);
  asio::steady_timer pause(executor);
  // By hand and not by async_connect: a full queue is EAGAIN here, the socket polls as writable at once, and Asio would
  // take that for a connection.
  for (;;) {
    DE_CO_TRY(connected, try_connect(socket.get(), path));
    if (connected) break;
    const auto now = std::chrono::steady_clock::now();
    if (now >= until)
      co_return fail(Errc::Timeout, "connect to " + path + ": the listener does not accept connections");
    boost::system::error_code ignored;
    pause.expires_after(pause_after(now - begin));
    co_await pause.async_wait(into(ignored));
  }
  co_return Connection::adopt(executor, std::move(socket), limits);
}

std::chrono::milliseconds Backoff::next() {
  std::uniform_int_distribution<std::chrono::milliseconds::rep> pick(ceiling_.count() / 2, ceiling_.count());
  const std::chrono::milliseconds delay(pick(random_));
  ceiling_ = std::min(ceiling_ * 2, kLongest);
  return delay;
}

}  // namespace de::link
