#include "uplink/session.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "daemoneye/base/heap.h"
#include "daemoneye/base/text.h"
#include "daemoneye/link/protocol.h"
#include "daemoneye/log/log.h"
#include "uplink/request_table.h"

namespace de::uplink {

using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;

namespace {
constexpr auto kHandshakeLimit = 5s;
constexpr auto kSilenceLimit = 90s;  // Three missed heartbeats of the agent.
constexpr auto kWriteLimit = 10s;    // The agent reads in a tight loop; slower means wedged.
constexpr std::uint32_t kMinHeartbeatMs = 1'000;
constexpr std::uint32_t kMaxHeartbeatMs = 30'000;
constexpr std::size_t kEventsPerRead = 1'024;
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr auto kLook = 250ms;
constexpr std::int64_t kAliveNs = kSecondNs;           // At most so long nothing is said,
constexpr std::int64_t kSilentNs = kSecondNs * 5 / 2;  // and that is silence.

// What was received is at fault, not the connection or our own disk.
bool is_violation(const Error& error) { return error.code() == Errc::Corrupt || error.code() == Errc::TooLarge; }
}  // namespace

Session::Session(Uplink& uplink, link::Connection connection)
    : uplink_(uplink), connection_(std::move(connection)), wake_(uplink.executor_), watch_(uplink.executor_) {}

pb::Envelope Session::hello() const {
  pb::Envelope message;
  pb::Hello& hello = *message.mutable_hello();
  hello.set_protocol_major(link::kBrokerMajor);
  hello.set_protocol_minor(link::kBrokerMinor);
  hello.set_collector_id(uplink_.options_.collector_id);
  hello.set_collector_type("process");
  hello.set_version(DE_VERSION);
  hello.set_boot_id(uplink_.options_.boot_id);
  hello.set_hostname(uplink_.options_.hostname);
  hello.set_pid(static_cast<std::uint32_t>(::getpid()));
  hello.set_spawn_token(uplink_.options_.spawn_token);
  hello.set_spool_id(uplink_.spool_.spool_id());
  hello.set_last_sequence(uplink_.spool_.last_sequence());
  *hello.mutable_schema() = uplink_.options_.schema;
  return message;
}

pb::Envelope Session::heartbeat() const {
  pb::Envelope message;
  message.mutable_heartbeat()->set_time_ms(uplink_.clock_.unix_ms());
  uplink_.hooks_.fill_heartbeat(*message.mutable_heartbeat());
  return message;
}

link::Task<> Session::greet() {
  const pb::Envelope greeting = hello();
  auto sent = co_await link::write_message(connection_, greeting, kHandshakeLimit);
  // An agent that does not want our uid refuses without reading: then the write fails, but its reason is there.
  if (!sent && sent.error().code() != Errc::Closed) co_return fail(std::move(sent).error());
  DE_CO_TRY(answer, co_await link::read_message<pb::Envelope>(connection_, kHandshakeLimit));
  if (answer.has_refusal()) {
    ++uplink_.counts_.refused;
    co_return fail(Errc::Denied, "the agent refused us: " + escape_controls(answer.refusal().reason()).substr(0, 256));
  }
  if (!answer.has_welcome()) co_return fail(Errc::Corrupt, "expected welcome as the first message");
  const pb::Welcome& welcome = answer.welcome();
  if (welcome.acked_sequence() > uplink_.spool_.last_sequence())
    co_return fail(Errc::Corrupt, "welcome acknowledges what was never sent");
  auto forgotten = uplink_.spool_.acknowledge(welcome.acked_sequence());
  if (!forgotten) co_return fail(std::move(forgotten).error());
  sent_sequence_ = std::max(welcome.acked_sequence(), uplink_.spool_.acked_sequence());
  credits_ = std::min<std::uint64_t>(welcome.credits(), kMaxCredits);
  const std::uint32_t interval_ms = std::clamp(welcome.heartbeat_interval_ms(), kMinHeartbeatMs, kMaxHeartbeatMs);
  heartbeat_interval_ns_ = static_cast<std::int64_t>(interval_ms) * 1'000'000;
  phase_ = Phase::Waiting;
  co_return Result<>{};
}

link::Task<> Session::run() {
  const auto self = shared_from_this();
  auto greeted = co_await greet();
  if (!greeted) {
    if (is_violation(greeted.error())) ++uplink_.counts_.violations;
    co_return fail(std::move(greeted).error());
  }
  ++uplink_.counts_.sessions;
  log::info("uplink", "agent accepted us", {log::field("socket", uplink_.options_.broker_socket)});
  auto reading = read_loop();
  auto writing = write_loop();
  auto watching = watch_loop();
  auto all = std::move(reading) && std::move(writing) && std::move(watching);
  auto ended = co_await std::move(all);
  Result<>& read_end = std::get<0>(ended);
  Result<>& write_end = std::get<1>(ended);
  // The writer fails with Cancelled when the reader closed the connection, and the other way round.
  if (!read_end && read_end.error().code() != Errc::Cancelled) co_return fail(std::move(read_end).error());
  if (!write_end) co_return fail(std::move(write_end).error());
  co_return fail(Errc::Closed, "session closed");
}

link::Task<> Session::read_loop() {
  Result<> end;
  for (;;) {
    auto message = co_await link::read_message<pb::Envelope>(connection_, kSilenceLimit);
    if (!message) {
      if (is_violation(message.error())) ++uplink_.counts_.violations;
      end = fail(std::move(message).error());
      break;
    }
    note_heard();
    auto done = dispatch(*message);
    if (!done) {
      if (done.error().code() != Errc::Closed) ++uplink_.counts_.violations;
      end = fail(std::move(done).error());
      break;
    }
  }
  closing_ = true;
  connection_.close();
  wake();
  co_return end;
}

Result<> Session::dispatch(const pb::Envelope& message) {
  const auto table = request_table();
  const auto rule = std::find_if(table.begin(), table.end(),
                                 [&](const RequestRule& row) { return row.message == message.message_case(); });
  if (rule == table.end()) return fail(Errc::Corrupt, "message is not one the agent may send");
  if ((rule->phases & static_cast<unsigned>(phase_)) == 0)
    return fail(Errc::Corrupt, "message is not legal in this phase");
  Rate& rate = rates_[static_cast<int>(rule->message)];
  const std::int64_t now_ns = uplink_.clock_.steady_ns();
  if (now_ns - rate.window_start_ns >= kSecondNs) rate = {now_ns, 0};
  if (++rate.used > rule->per_second) return fail(Errc::Exhausted, "more messages of one kind than are allowed");
  return (this->*rule->answer)(message);
}

link::Task<> Session::write_loop() {
  Result<> end;
  while (!closing_ || !out_.empty()) {
    auto due = queue_due();
    if (!due) {
      end = fail(std::move(due).error());
      break;
    }
    if (!*due) {
      if (closing_) break;
      if (std::exchange(snapshot_left_, false)) give_back_free_memory();
      const std::int64_t due_ns = std::min(next_heartbeat_ns_, next_alive_ns_);
      const std::int64_t wait_ns = std::max<std::int64_t>(due_ns - uplink_.clock_.steady_ns(), 1'000'000);
      wake_.expires_after(std::chrono::nanoseconds(wait_ns));
      boost::system::error_code ec;
      co_await wake_.async_wait(link::into(ec));
      continue;
    }
    std::string next = std::move(out_.front());
    out_.pop_front();
    const std::size_t bytes = next.size();
    next_alive_ns_ = uplink_.clock_.steady_ns() + kAliveNs;
    auto sent = co_await connection_.write(std::move(next), kWriteLimit);
    if (!sent) {
      end = fail(std::move(sent).error());
      break;
    }
    out_bytes_ -= bytes;
    start_task();
  }
  closing_ = true;
  connection_.close();
  watch_.cancel();
  co_return end;
}

// An agent that stands still is not gone: its socket is open, and takes what is sent for a while.
link::Task<> Session::watch_loop() {
  heard_ns_ = uplink_.clock_.steady_ns();
  std::int64_t looked_ns = heard_ns_;
  while (!closing_) {
    watch_.expires_after(kLook);
    boost::system::error_code ec;
    co_await watch_.async_wait(link::into(ec));
    const std::int64_t now_ns = uplink_.clock_.steady_ns();
    if (now_ns - looked_ns > kSecondNs) heard_ns_ = now_ns;  // We stood still; what it said meanwhile waits to be read.
    looked_ns = now_ns;
    if (!closing_ && !is_silent_ && now_ns - heard_ns_ >= kSilentNs) note_silence(now_ns);
  }
  co_return Result<>{};
}

void Session::note_silence(std::int64_t now_ns) {
  is_silent_ = true;
  const std::int64_t since_ms = uplink_.clock_.unix_ms() - (now_ns - heard_ns_) / 1'000'000;
  log::error("uplink", "the agent stands still", {log::field("since", to_iso8601(since_ms).text)});
  uplink_.enter("procmond", "agent.silent", "{\"since_ms\":" + std::to_string(since_ms) + "}");
}

void Session::note_heard() {
  const std::int64_t now_ns = uplink_.clock_.steady_ns();
  if (std::exchange(is_silent_, false))
    uplink_.enter("procmond", "agent.heard",
                  "{\"silent_ms\":" + std::to_string((now_ns - heard_ns_) / 1'000'000) + "}");
  heard_ns_ = now_ns;
}

Result<bool> Session::queue_due() {
  if (!out_.empty()) return true;
  if (closing_) return false;
  const std::int64_t now_ns = uplink_.clock_.steady_ns();
  if (now_ns >= next_heartbeat_ns_) {
    next_heartbeat_ns_ = now_ns + heartbeat_interval_ns_;
    queue(heartbeat());
    return true;
  }
  if (now_ns >= next_alive_ns_) {
    pb::Envelope alive;
    alive.mutable_alive();
    queue(alive);
    return true;
  }
  if (phase_ != Phase::Monitoring || credits_ == 0) return false;
  if (snapshot_.empty() && !next_snapshot_.empty()) snapshot_.swap(next_snapshot_);
  // Events first: they are evidence, a snapshot repeats itself.
  DE_CHECK(queue_events());
  if (out_.empty() && !snapshot_.empty()) {
    queue_bytes(std::move(snapshot_.front()));
    snapshot_.pop_front();
    snapshot_started_ = !snapshot_.empty();
    snapshot_left_ = snapshot_.empty();
    if (snapshot_left_) next_heartbeat_ns_ = 0;  // The counters that belong to it, right behind it.
    --credits_;
    ++uplink_.counts_.chunks_sent;
  }
  return !out_.empty();
}

Result<> Session::queue_events() {
  if (sent_sequence_ >= uplink_.spool_.last_sequence()) return {};
  DE_TRY(batches, uplink_.spool_.read_after(sent_sequence_, kEventsPerRead));
  for (spool::Outgoing& batch : batches) {
    if (credits_ == 0) break;
    sent_sequence_ = std::max(sent_sequence_, batch.last_sequence);
    uplink_.counts_.events_sent += batch.events;
    queue_bytes(std::move(batch.envelope));
    --credits_;
  }
  return {};
}

void Session::queue(const pb::Envelope& message) { queue_bytes(message.SerializeAsString()); }

void Session::queue_bytes(std::string message) {
  out_bytes_ += message.size();
  out_.push_back(std::move(message));
}

void Session::wake() {
  wake_.cancel();
  if (closing_) watch_.cancel();
}

void Session::beat_now() {
  next_heartbeat_ns_ = 0;
  wake();
}

void Session::close(const std::string& goodbye) {
  pb::Envelope message;
  message.mutable_goodbye()->set_reason(goodbye);
  queue(message);
  closing_ = true;
  wake();
}

void Session::offer_snapshot(std::deque<std::string> chunks) {
  if (!next_snapshot_.empty()) ++uplink_.counts_.snapshots_replaced;
  next_snapshot_ = std::move(chunks);
  // One that has not begun to leave is replaced as well; one that has must be finished, or the agent discards it.
  if (!snapshot_.empty() && !snapshot_started_) {
    ++uplink_.counts_.snapshots_replaced;
    snapshot_.clear();
  }
  wake();
}

}  // namespace de::uplink
