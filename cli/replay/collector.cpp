#include "replay/collector.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "daemoneye/base/text.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/crypto/uuid.h"
#include "daemoneye/link/dial.h"
#include "daemoneye/link/protocol.h"
#include "daemoneye/schema/describe.h"

namespace de::replay {
namespace {

using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;

constexpr link::Limits kLimits{64UL << 10, 4UL << 20};  // From the agent; to it.
constexpr auto kDialLimit = 5s;
constexpr auto kHandshakeLimit = 5s;
constexpr auto kWriteLimit = 60s;
constexpr auto kSilenceLimit = 60s;  // The agent says something every second.
constexpr auto kAlive = 1s;
constexpr std::uint32_t kMostCredits = 4'096;

}  // namespace

struct Collector::Session {
  boost::asio::io_context io{1};
  link::Connection connection;
  boost::asio::steady_timer wake{io};
  std::thread thread;
  std::uint32_t credits = 0;  // This, and what follows, only on the thread.
  bool begun = false;         // Nothing may be published before.
  bool closing = false;

  std::mutex mutex;  // For everything below; a leaf.
  std::condition_variable changed;
  std::deque<pb::Envelope> out;
  std::uint64_t published = 0;  // Sequences.
  std::uint64_t acked = 0;
  bool leaving = false;
  std::optional<Error> end;

  link::Task<> greet(std::string socket);
  link::Task<> read_loop();
  link::Task<> write_loop();
  link::Task<> run();
  Result<> take(const pb::Envelope& message);
  std::optional<pb::Envelope> next();
  void note_end(Error error);
};

link::Task<> Collector::Session::greet(std::string socket) {
  DE_CO_TRY(dialled, co_await link::dial(std::move(socket), kLimits, kDialLimit));
  connection = std::move(dialled);
  pb::Envelope message;
  pb::Hello& hello = *message.mutable_hello();
  hello.set_protocol_major(link::kBrokerMajor);
  hello.set_protocol_minor(link::kBrokerMinor);
  hello.set_collector_id(link::kReplayType);
  hello.set_collector_type(link::kReplayType);
  hello.set_version(DE_VERSION);
  hello.set_pid(static_cast<std::uint32_t>(::getpid()));
  hello.set_spool_id(crypto::uuid_v4());
  schema::describe_processes({}, *hello.mutable_schema());  // A recording may have everything, and takes no plans.
  auto sent = co_await link::write_message(connection, message, kHandshakeLimit);
  if (!sent && sent.error().code() != Errc::Closed) co_return fail(std::move(sent).error());
  DE_CO_TRY(answer, co_await link::read_message<pb::Envelope>(connection, kHandshakeLimit));
  if (answer.has_refusal())
    co_return fail(Errc::Denied, "the agent refused us: " + escape_controls(answer.refusal().reason()));
  if (!answer.has_welcome()) co_return fail(Errc::Corrupt, "the agent's first message is no welcome");
  credits = std::min(answer.welcome().credits(), kMostCredits);
  co_return Result<>{};
}

Result<> Collector::Session::take(const pb::Envelope& message) {
  if (message.has_credit()) {
    credits = std::min(credits + std::min(message.credit().messages(), kMostCredits), kMostCredits);
    wake.cancel();
  } else if (message.has_begin()) {
    begun = true;
    wake.cancel();
  } else if (message.has_ack()) {
    const std::lock_guard lock(mutex);
    if (message.ack().sequence() > published) return fail(Errc::Corrupt, "the agent acknowledges what was never sent");
    acked = std::max(acked, message.ack().sequence());
    changed.notify_all();
  } else if (message.has_goodbye()) {
    return fail(Errc::Closed, "the agent ended: " + escape_controls(message.goodbye().reason()));
  }
  return {};  // What is asked of other collectors a recording has no answer to.
}

link::Task<> Collector::Session::read_loop() {
  Result<> end_of_reading;
  while (end_of_reading) {
    auto message = co_await link::read_message<pb::Envelope>(connection, kSilenceLimit);
    if (message)
      end_of_reading = take(*message);
    else
      end_of_reading = fail(std::move(message).error());
  }
  closing = true;
  wake.cancel();
  connection.close();
  co_return end_of_reading;
}

std::optional<pb::Envelope> Collector::Session::next() {
  const std::lock_guard lock(mutex);
  if (out.empty() || credits == 0 || !begun) return std::nullopt;
  pb::Envelope message = std::move(out.front());
  out.pop_front();
  --credits;
  changed.notify_all();
  return message;
}

link::Task<> Collector::Session::write_loop() {
  Result<> sent;
  while (sent && !closing) {
    std::optional<pb::Envelope> message = next();
    if (!message) {
      wake.expires_after(kAlive);
      boost::system::error_code ec;
      co_await wake.async_wait(link::into(ec));
      if (closing) break;
      if (ec) continue;  // There is something to send.
      message.emplace().mutable_alive();
    }
    sent = co_await link::write_message(connection, *message, kWriteLimit);
  }
  connection.close();
  co_return sent;
}

link::Task<> Collector::Session::run() {
  auto both = read_loop() && write_loop();
  auto ended = co_await std::move(both);
  Result<>& read = std::get<0>(ended);
  Result<>& wrote = std::get<1>(ended);
  // One fails with Cancelled when the other has closed the connection.
  if (!wrote && wrote.error().code() != Errc::Cancelled) co_return fail(std::move(wrote).error());
  if (!read) co_return fail(std::move(read).error());
  co_return fail(Errc::Closed, "the session with the agent ended");
}

void Collector::Session::note_end(Error error) {
  const std::lock_guard lock(mutex);
  end = std::move(error);
  changed.notify_all();
}

Collector::Collector(std::unique_ptr<Session> session) : session_(std::move(session)) {}

Result<std::unique_ptr<Collector>> Collector::connect(const std::string& broker_socket) {
  auto session = std::make_unique<Session>();
  std::optional<Result<>> greeted;
  boost::asio::co_spawn(session->io, session->greet(broker_socket),
                        [&greeted](const std::exception_ptr& thrown, Result<> result) {
                          if (thrown) std::rethrow_exception(thrown);
                          greeted = std::move(result);
                        });
  session->io.run();
  if (!greeted) return fail(Errc::Cancelled, "the session ended early");
  if (!*greeted) return fail(std::move(*greeted).error());
  Session* raw = session.get();
  boost::asio::co_spawn(raw->io, raw->run(), [raw](const std::exception_ptr& thrown, Result<> result) {
    raw->note_end(thrown || result ? Error(Errc::Io, "the session with the agent failed") : std::move(result).error());
  });
  raw->io.restart();
  raw->thread = std::thread([raw] { raw->io.run(); });
  return std::unique_ptr<Collector>(new Collector(std::move(session)));
}

Collector::~Collector() {
  boost::asio::post(session_->io, [session = session_.get()] {
    session->closing = true;
    session->wake.cancel();
  });
  session_->thread.join();
}

Result<> Collector::enqueue(pb::Envelope message, std::uint64_t last_sequence) {
  constexpr std::size_t kMostWaiting = 8;
  std::unique_lock lock(session_->mutex);
  session_->changed.wait(lock, [this] { return session_->end || session_->out.size() < kMostWaiting; });
  if (session_->end) return fail(Error(*session_->end));
  session_->published = std::max(session_->published, last_sequence);
  session_->out.push_back(std::move(message));
  lock.unlock();
  boost::asio::post(session_->io, [session = session_.get()] { session->wake.cancel(); });
  return {};
}

Result<> Collector::publish(std::vector<pb::ProcessEvent> events) {
  if (events.empty()) return {};
  const std::uint64_t last = events.back().sequence();
  pb::Envelope message;
  pb::Publish& publish = *message.mutable_publish();
  publish.set_topic("events.process");
  for (pb::ProcessEvent& event : events) *publish.mutable_events()->add_events() = std::move(event);
  return enqueue(std::move(message), last);
}

Result<> Collector::publish_look(std::int64_t time_ms) {
  pb::Envelope message;
  pb::Publish& publish = *message.mutable_publish();
  publish.set_topic("events.process");
  pb::SnapshotChunk& chunk = *publish.mutable_snapshot();
  chunk.set_scan_id(++looks_);
  chunk.set_scan_time_ms(time_ms);
  chunk.set_last(true);
  chunk.mutable_summary();
  return enqueue(std::move(message), 0);
}

Result<> Collector::settle() {
  std::unique_lock lock(session_->mutex);
  session_->changed.wait(lock, [this] { return session_->end || session_->acked >= session_->published; });
  if (session_->acked >= session_->published) return {};
  return fail(Error(*session_->end));
}

}  // namespace de::replay
