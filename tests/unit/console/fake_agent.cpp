#include "fake_agent.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <memory>

#include "daemoneye/link/listener.h"

namespace de::console {
namespace {

using namespace std::chrono_literals;

link::Task<> serve(link::Connection connection, FakeAgent::Script script, std::vector<pb::ControlRequest>& requests) {
  auto request = co_await link::read_message<pb::ControlRequest>(connection, 5s);
  if (!request) co_return fail(std::move(request).error());
  requests.push_back(*request);
  boost::asio::steady_timer thinks(co_await boost::asio::this_coro::executor, script.after);
  boost::system::error_code ec;
  co_await thinks.async_wait(link::into(ec));
  for (const pb::ControlReply& reply : script.replies) {
    auto sent = co_await link::write_message(connection, reply, 5s);
    if (!sent) co_return fail(std::move(sent).error());
  }
  while (script.endless) {
    auto sent = co_await link::write_message(connection, script.replies.back(), 5s);
    if (!sent) co_return fail(std::move(sent).error());
  }
  if (!script.raw.empty()) {
    auto sent = co_await connection.write(std::move(script.raw), 5s);
    if (!sent) co_return fail(std::move(sent).error());
  }
  co_return Result<>{};
}

boost::asio::awaitable<void> listen(std::shared_ptr<link::Listener> listener, std::deque<FakeAgent::Script> scripts,
                                    std::vector<pb::ControlRequest>& requests) {
  for (;;) {
    auto connection = co_await listener->accept();
    if (!connection) co_return;
    if (scripts.empty()) continue;
    FakeAgent::Script script = std::move(scripts.front());
    scripts.pop_front();
    auto served = co_await serve(std::move(*connection), std::move(script), requests);
    (void)served;  // The console's view of it is what the tests look at.
  }
}

}  // namespace

FakeAgent::FakeAgent(const std::string& socket, std::deque<Script> scripts) {
  auto listener = link::Listener::open(io_.get_executor(), {socket, 0600, {}, {64 * 1024, 2 << 20}});
  if (!listener) {
    ADD_FAILURE() << listener.error().message();
    return;
  }
  auto shared = std::make_shared<link::Listener>(std::move(*listener));
  boost::asio::co_spawn(io_, listen(shared, std::move(scripts), requests_), boost::asio::detached);
  thread_ = std::thread([this] { io_.run(); });
}

FakeAgent::~FakeAgent() { stop(); }

void FakeAgent::stop() {
  io_.stop();
  if (thread_.joinable()) thread_.join();
}

const std::vector<pb::ControlRequest>& FakeAgent::requests() {
  stop();
  return requests_;
}

pb::ControlReply header(const std::vector<std::string>& columns) {
  pb::ControlReply reply;
  for (const std::string& column : columns) reply.mutable_header()->add_columns(column);
  return reply;
}

pb::ControlReply page(const std::vector<std::vector<std::string>>& rows) {
  pb::ControlReply reply;
  for (const auto& cells : rows) {
    pb::Row& row = *reply.mutable_page()->add_rows();
    for (const std::string& cell : cells) row.add_values()->set_text(cell);
  }
  return reply;
}

pb::ControlReply trailer(pb::Status status, const std::string& message) {
  pb::ControlReply reply;
  reply.mutable_trailer()->set_status(status);
  reply.mutable_trailer()->set_message(message);
  reply.mutable_trailer()->set_elapsed_us(2500);
  reply.mutable_trailer()->mutable_completeness()->set_complete(true);
  return reply;
}

pb::ControlReply degraded(const std::string& reason, const std::string& collector, const std::string& detail) {
  pb::ControlReply reply = trailer(pb::STATUS_OK, "");
  pb::Completeness& completeness = *reply.mutable_trailer()->mutable_completeness();
  completeness.set_complete(false);
  pb::Reason& why = *completeness.add_reasons();
  why.set_reason(reason);
  why.set_collector(collector);
  why.set_detail(detail);
  return reply;
}

}  // namespace de::console
