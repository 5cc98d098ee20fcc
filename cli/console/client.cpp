#include "console/client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <optional>

#include "console/request.h"
#include "daemoneye/link/dial.h"

namespace de::console {
namespace {

using namespace std::chrono_literals;
using link::Task;

constexpr std::size_t kMaxReplyBytes = 1UL << 20;
constexpr auto kDialLimit = 5s;  // A local socket answers at once; its queue is full only when the agent hangs.
constexpr auto kWriteLimit = 5s;

// Runs one coroutine to its end on this thread.
template <class T>
Result<T> run(boost::asio::io_context& io, Task<T> task) {
  std::optional<Result<T>> outcome;
  boost::asio::co_spawn(io, std::move(task), [&](const std::exception_ptr& thrown, Result<T> result) {
    if (thrown) std::rethrow_exception(thrown);
    outcome = std::move(result);
  });
  io.restart();
  io.run();
  if (!outcome) return fail(Errc::Cancelled, "the session ended early");
  return std::move(*outcome);
}

Task<pb::Trailer> converse(link::Connection& connection, const pb::ControlRequest& request,
                           std::chrono::milliseconds limit, const Client::OnReply& on_reply,
                           const Client::OnSilence& on_silence) {
  boost::asio::steady_timer patience(co_await boost::asio::this_coro::executor, Client::kPatience);
  patience.async_wait([&on_silence](const boost::system::error_code& ec) {
    if (!ec && on_silence) on_silence();
  });
  auto sent = co_await link::write_message(connection, request, kWriteLimit);
  if (!sent) co_return fail(std::move(sent).error());
  for (;;) {
    auto reply = co_await link::read_message<pb::ControlReply>(connection, limit);
    if (!reply) co_return fail(std::move(reply).error());
    patience.cancel();
    if (reply->has_trailer()) co_return Result<pb::Trailer>(std::move(*reply->mutable_trailer()));
    if (auto taken = on_reply(*reply); !taken) co_return fail(std::move(taken).error());
  }
}

}  // namespace

Result<Client> Client::connect(const std::string& socket) {
  Client client(std::make_unique<boost::asio::io_context>(1));
  const link::Limits limits{kMaxReplyBytes, kMaxRequestBytes};
  DE_TRY(connection, run(*client.io_, link::dial(socket, limits, kDialLimit)));
  client.connection_ = std::move(connection);
  return client;
}

Result<pb::Trailer> Client::ask(const pb::ControlRequest& request, std::chrono::milliseconds limit,
                                const OnReply& on_reply, const OnSilence& on_silence) {
  auto trailer = run(*io_, converse(connection_, request, limit, on_reply, on_silence));
  if (!trailer) connection_.close();
  return trailer;
}

}  // namespace de::console
