// What a recording says of itself when it is played to an agent.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <optional>

#include "daemoneye/link/listener.h"
#include "daemoneye/link/protocol.h"
#include "daemoneye/schema/describe.h"
#include "replay/collector.h"
#include "temp_dir.h"

namespace de::replay {
namespace {

using namespace std::chrono_literals;

// Accepts one collector, hears its greeting, and refuses it.
link::Task<pb::Envelope> hear_and_refuse(link::Listener& listener) {
  DE_CO_TRY(peer, co_await listener.accept());
  auto heard = co_await link::read_message<pb::Envelope>(peer, 5s);
  pb::Envelope refusal;
  refusal.mutable_refusal()->set_reason("only listening");
  auto said = co_await link::write_message(peer, refusal, 5s);
  if (!said) co_return fail(std::move(said).error());
  co_return heard;
}

TEST(ReplayGreeting, DescribesBothTablesWhole) {
  const test::TempDir dir;
  boost::asio::io_context io;
  auto listener = link::Listener::open(io.get_executor(), {dir / "socket", 0600, std::nullopt, {1U << 20, 1U << 20}});
  ASSERT_TRUE(listener) << listener.error().message();
  std::optional<pb::Envelope> heard;
  boost::asio::co_spawn(io, hear_and_refuse(*listener), [&](const std::exception_ptr&, Result<pb::Envelope> message) {
    if (message) heard = std::move(*message);
  });
  auto connecting = std::async(std::launch::async, [&] { return Collector::connect(dir / "socket"); });
  io.run_for(10s);
  const auto connected = connecting.get();
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code(), Errc::Denied);
  ASSERT_TRUE(heard);
  pb::SchemaDescriptor expected;
  schema::describe_processes({}, expected);
  EXPECT_GT(expected.tables(0).columns_size(), 60);
  EXPECT_EQ(heard->hello().schema().SerializeAsString(), expected.SerializeAsString());
}

}  // namespace
}  // namespace de::replay
