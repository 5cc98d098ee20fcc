#include "daemoneye/link/dial.h"

#include <sys/stat.h>

#include <fstream>
#include <thread>
#include <vector>

#include "fixture.h"

namespace de::link {
namespace {

class DialTest : public LinkTest {
 protected:
  Error refusal(const std::string& to, std::chrono::milliseconds limit = 1s) {
    const auto connection = run(dial(to, kSmall, limit));
    if (connection) return Error(Errc::Io, "it connected");
    return connection.error();
  }
};

// Sends back what it gets until the peer leaves; yields how many messages that were.
asio::awaitable<int> echo(Connection peer) {
  for (int count = 0;; ++count) {
    auto text = co_await peer.read(5s);
    if (!text) co_return count;
    auto sent = co_await peer.write(std::move(*text), 5s);
    if (!sent) co_return count;
  }
}

asio::awaitable<int> serve(Listener& listener, int connections, int& messages) {
  const auto executor = co_await asio::this_coro::executor;
  int accepted = 0;
  while (accepted < connections) {
    auto peer = co_await listener.accept();
    if (!peer) break;
    ++accepted;
    auto session = echo(std::move(*peer));
    asio::co_spawn(executor, std::move(session),
                   [&messages](const std::exception_ptr&, int count) { messages += count; });
  }
  co_return accepted;
}

asio::awaitable<int> converse(std::string path, int number, int rounds) {
  auto server = co_await dial(path, kSmall, 5s);
  if (!server) co_return 0;
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    const std::string text = std::to_string(number) + "/" + std::to_string(i);
    auto sent = co_await server->write(text, 5s);
    auto back = co_await server->read(5s);
    if (sent && back && *back == text) ++good;
  }
  co_return good;
}

TEST_F(DialTest, RoundTripAndBothSidesKnowEachOther) {
  Listener listener = listen();
  std::optional<Result<Connection>> accepted;
  start(listener.accept(), accepted);
  auto client = run(dial(path(), kSmall, 1s));
  ASSERT_TRUE(client) << client.error().message();
  Connection server = std::move(*finish(accepted));
  for (const Peer* peer : {&client->peer(), &server.peer()}) {
    EXPECT_EQ(peer->uid, ::geteuid());
    EXPECT_EQ(peer->pid, ::getpid());
  }
  ASSERT_TRUE(run(client->write("question", 1s)));
  EXPECT_EQ(run(server.read(1s)).value(), "question");
  ASSERT_TRUE(run(server.write("answer", 1s)));
  EXPECT_EQ(run(client->read(1s)).value(), "answer");
}

TEST_F(DialTest, AHundredConnectionsAtOnce) {
  constexpr int kClients = 100;
  constexpr int kRounds = 10;
  Listener listener = listen();
  int messages = 0;
  std::optional<int> accepted;
  start(serve(listener, kClients, messages), accepted);
  std::vector<std::optional<int>> good(kClients);
  for (int i = 0; i < kClients; ++i) start(converse(path(), i, kRounds), good[static_cast<std::size_t>(i)]);
  for (std::optional<int>& client : good) EXPECT_EQ(finish(client), kRounds);
  EXPECT_EQ(finish(accepted), kClients);
  io_.restart();
  io_.run_for(5s);  // Until the last session has seen its client leave.
  EXPECT_EQ(messages, kClients * kRounds);
}

TEST_F(DialTest, NothingThereIsNotFound) {
  const Error error = refusal(path());
  EXPECT_EQ(error.code(), Errc::NotFound);
  EXPECT_NE(error.message().find(path()), std::string::npos);
  EXPECT_EQ(refusal(directory_ + "/no/a.sock").code(), Errc::NotFound);
}

TEST_F(DialTest, StaleSocketIsClosed) {
  raw_bind(path()).reset();
  const Error error = refusal(path());
  EXPECT_EQ(error.code(), Errc::Closed);
  EXPECT_NE(error.message().find("nobody is listening on " + path()), std::string::npos);
}

TEST_F(DialTest, FileAndDatagramSocketAreInvalid) {
  std::ofstream(path("file")) << "x";
  EXPECT_EQ(refusal(path("file")).code(), Errc::Invalid);
  EXPECT_EQ(refusal(directory_).code(), Errc::Invalid);

  const UniqueFd datagram(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path("dgram"));
  ASSERT_EQ(::bind(datagram.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(refusal(path("dgram")).code(), Errc::Invalid);
}

TEST_F(DialTest, NoPermissionNamesThePath) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a second user";
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  Listener listener = listen();
  const Unprivileged other;
  const Error error = refusal(path());
  EXPECT_EQ(error.code(), Errc::Denied);
  EXPECT_NE(error.message().find("no permission to connect to " + path()), std::string::npos);
}

TEST_F(DialTest, FullQueueIsATimeoutNotAConnection) {
  const UniqueFd listening = raw_bind(path());
  ASSERT_EQ(::listen(listening.get(), 0), 0);
  const UniqueFd waiting = raw_connect(path());
  ASSERT_TRUE(waiting);
  const Error error = refusal(path(), 50ms);
  EXPECT_EQ(error.code(), Errc::Timeout) << error.message();
}

TEST_F(DialTest, FullQueueThatEmptiesInTimeIsNoFailure) {
  const UniqueFd listening = raw_bind(path());
  ASSERT_EQ(::listen(listening.get(), 0), 0);
  const UniqueFd waiting = raw_connect(path());
  std::optional<Result<Connection>> connection;
  start(dial(path(), kSmall, 5s), connection);
  settle();
  EXPECT_FALSE(connection);
  const UniqueFd taken(::accept(listening.get(), nullptr, nullptr));
  EXPECT_TRUE(finish(connection));
}

TEST_F(DialTest, PathsTheSystemCannotTakeAreInvalid) {
  EXPECT_EQ(refusal("").code(), Errc::Invalid);
  EXPECT_EQ(refusal(std::string("\0abstract", 9)).code(), Errc::Invalid);
  const Error error = refusal(std::string(108, 'x'));
  EXPECT_EQ(error.code(), Errc::Invalid);
  EXPECT_NE(error.message().find("107"), std::string::npos);
}

TEST(Backoff, DoublesToItsLimitWithinHalfOfJitter) {
  Backoff backoff(1);
  std::chrono::milliseconds ceiling = 100ms;
  for (int i = 0; i < 40; ++i) {
    const auto delay = backoff.next();
    EXPECT_LE(delay, ceiling) << i;
    EXPECT_GE(delay, ceiling / 2) << i;
    ceiling = std::min<std::chrono::milliseconds>(ceiling * 2, 30s);
  }
  EXPECT_EQ(ceiling, 30s);
  backoff.reset();
  EXPECT_LE(backoff.next(), 100ms);
}

TEST(Backoff, TwoThatStartTogetherDrawApart) {
  Backoff a(1);
  Backoff b(2);
  int equal = 0;
  for (int i = 0; i < 20; ++i) equal += a.next() == b.next() ? 1 : 0;
  EXPECT_LT(equal, 5);
}

Task<std::thread::id> leave_and_return(asio::thread_pool& pool, std::thread::id& back) {
  auto job = [] { return std::this_thread::get_id(); };
  const std::thread::id elsewhere = co_await run_on(pool, std::move(job));
  back = std::this_thread::get_id();
  co_return elsewhere;
}

TEST_F(DialTest, RunOnWorksElsewhereAndComesBack) {
  asio::thread_pool pool(1);
  std::thread::id back;
  const Result<std::thread::id> elsewhere = run(leave_and_return(pool, back));
  ASSERT_TRUE(elsewhere);
  EXPECT_NE(*elsewhere, std::this_thread::get_id());
  EXPECT_EQ(back, std::this_thread::get_id());
}

Task<> fail_elsewhere(asio::thread_pool& pool) {
  auto job = []() -> Result<> { return fail(Errc::Exhausted, "disk full"); };
  auto done = co_await run_on(pool, std::move(job));
  if (!done) co_return fail(std::move(done).error());
  co_return Result<>{};
}

TEST_F(DialTest, RunOnBringsAFailureBack) {
  asio::thread_pool pool(1);
  const Result<> done = run(fail_elsewhere(pool));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Errc::Exhausted);
}

}  // namespace
}  // namespace de::link
