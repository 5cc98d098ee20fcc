#include "bus/collector_session.h"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "daemoneye/log/log.h"

namespace de::bus {

using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;

namespace {
constexpr auto kHandshakeLimit = 5s;
constexpr auto kWriteLimit = 10s;
constexpr std::size_t kMaxOut = 4'096;
// Of the credits: the collector is not to run out of them while a commit waits for company.
constexpr std::size_t kFullInbox = kCredits * 3 / 4;
// Before a collector may bring again what could not be committed: it reconnects at once, and a disk stays full longer.
constexpr auto kPauseWithoutRoom = 5s;
constexpr auto kSettleLook = 1ms;
constexpr auto kHoldBack = 50ms;
constexpr int kMissedHeartbeats = 6;  // Then it is cut off.
constexpr std::int64_t kAliveNs = 1'000'000'000;

bool is_ours(const Error& error) { return error.code() == Errc::Exhausted || error.code() == Errc::Io; }
}  // namespace

CollectorSession::CollectorSession(boost::asio::any_io_executor executor, link::Connection connection,
                                   Registry& registry, const Consumers& consumers, const Clock& clock)
    : connection_(std::move(connection)),
      registry_(registry),
      consumers_(consumers),
      clock_(clock),
      write_wake_(executor),
      commit_wake_(executor) {}

link::Task<> CollectorSession::greet() {
  auto welcome_uid = registry_.check_uid(connection_.peer());
  if (!welcome_uid) co_return co_await refuse(std::move(welcome_uid).error());
  connection_.limit_reads(kGreetingBytes);
  DE_CO_TRY(message, co_await link::read_message<pb::Envelope>(connection_, kHandshakeLimit));
  if (!message.has_hello()) co_return fail(Errc::Corrupt, "expected hello as the first message");
  pb::Envelope answer;
  auto admitted = registry_.admit(connection_.peer(), message.hello());
  if (!admitted) co_return co_await refuse(std::move(admitted).error());
  id_ = (*admitted)->id;
  spool_id_ = (*admitted)->spool_id;
  heartbeat_interval_ms_ = (*admitted)->heartbeat_interval_ms;
  const std::uint64_t acked = consumers_.acked(id_, spool_id_);
  if (acked > message.hello().last_sequence()) {
    registry_.leave(id_, true);
    co_return fail(Errc::Corrupt, "collector's spool went backwards: it knows " +
                                      std::to_string(message.hello().last_sequence()) + ", we have " +
                                      std::to_string(acked));
  }
  connection_.limit_reads(kBrokerLimits.read_bytes);
  pb::Welcome& welcome = *answer.mutable_welcome();
  welcome.set_heartbeat_interval_ms(heartbeat_interval_ms_);
  welcome.set_acked_sequence(acked);
  welcome.set_credits(kCredits);
  auto sent = co_await link::write_message(connection_, answer, kHandshakeLimit);
  if (!sent) {
    registry_.leave(id_, false);
    co_return fail(std::move(sent).error());
  }
  co_return Result<>{};
}

link::Task<> CollectorSession::refuse(Error error) {
  pb::Envelope answer;
  answer.mutable_refusal()->set_reason(error.what());
  auto told = co_await link::write_message(connection_, answer, kHandshakeLimit);
  (void)told;  // The refusal stands whether or not the peer hears of it.
  co_return fail(std::move(error));
}

link::Task<> CollectorSession::run() {
  const auto self = shared_from_this();
  auto greeted = co_await greet();
  if (!greeted) {
    connection_.close();
    const Errc code = greeted.error().code();
    // Who came and left, or was cut off, broke no rule.
    const bool violation = code != Errc::Closed && code != Errc::Timeout && code != Errc::Cancelled && code != Errc::Io;
    if (violation && id_.empty()) registry_.count_refused();
    consumers_.ended(id_, greeted.error().message(), violation);
    co_return fail(std::move(greeted).error());
  }
  consumers_.connected(id_);
  auto loops = read_loop() && commit_loop() && write_loop();
  auto ends = co_await std::move(loops);
  Result<>& read = std::get<0>(ends);
  Result<>& committed = std::get<1>(ends);
  Result<>& end = committed ? read : committed;
  const bool violation = !end && (end.error().code() == Errc::Corrupt || end.error().code() == Errc::Invalid ||
                                  end.error().code() == Errc::TooLarge);
  const std::string why = end ? "closed" : end.error().message();
  registry_.leave(id_, violation);
  consumers_.ended(id_, why, violation);
  co_return end;
}

link::Task<> CollectorSession::read_loop() {
  Result<> end;
  const auto silence = std::chrono::milliseconds(heartbeat_interval_ms_) * kMissedHeartbeats;
  for (;;) {
    auto message = pool_->take();
    auto bytes = co_await link::read_message_into(connection_, *message, silence);
    if (!bytes) {
      end = fail(std::move(bytes).error());
      break;
    }
    registry_.heard(id_);
    const bool is_paid = message->has_publish();
    auto done = handle(std::move(message), *bytes);
    if (!done) {
      end = fail(std::move(done).error());
      break;
    }
    if (!is_paid) {
      auto may_read = co_await keep_pace();
      (void)may_read;  // Never fails.
    }
  }
  end_session();
  co_return end;
}

// What is not read stays in the socket, and whoever floods it has to wait there.
link::Task<> CollectorSession::keep_pace() {
  if (unpaid_.take(clock_.steady_ns())) co_return Result<>{};
  registry_.held_back(id_);
  boost::asio::steady_timer pause(commit_wake_.get_executor(), kHoldBack);
  boost::system::error_code ec;
  co_await pause.async_wait(link::into(ec));
  co_return Result<>{};
}

void CollectorSession::end_session() {
  closing_ = true;
  connection_.close();
  write_wake_.cancel();
  commit_wake_.cancel();
}

Result<> CollectorSession::handle(std::unique_ptr<pb::Envelope> message, std::size_t bytes) {
  switch (message->message_case()) {
    case pb::Envelope::kPublish:
      if (!began_) return fail(Errc::Corrupt, "published before monitoring began");
      if (inbox_.size() >= kCredits) return fail(Errc::Corrupt, "published more than it has credits for");
      // Also what has no body: messages that are used again hold an empty batch.
      if (!message->publish().has_snapshot() && !message->publish().has_gap() && !message->publish().has_table_rows() &&
          message->publish().events().events().empty())
        return fail(Errc::Corrupt, "published nothing");
      take_in(std::move(message), bytes);
      return {};
    case pb::Envelope::kHeartbeat:
      registry_.heartbeat(id_, message->heartbeat());
      return {};
    case pb::Envelope::kTaskResult:
      consumers_.task_result(id_, message->task_result());
      return {};
    case pb::Envelope::kLedgerAppended:
      consumers_.ledger_appended(id_, message->ledger_appended());
      return {};
    case pb::Envelope::kAlive:
      return {};
    case pb::Envelope::kGoodbye:
      return fail(Errc::Closed, "the collector said goodbye");
    default:
      return fail(Errc::Corrupt, "message is not one a collector may send now");
  }
}

void CollectorSession::take_in(std::unique_ptr<pb::Envelope> message, std::size_t bytes) {
  ++arrived_;
  Arrived& arrived = inbox_.emplace_back();
  if (message->publish().has_events()) {
    arrived.due_ns = clock_.steady_ns() + static_cast<std::int64_t>(consumers_.commit_delay_ms) * 1'000'000;
    const std::shared_ptr<pb::Envelope> shared = pool_->share(std::move(message), bytes);
    arrived.events = std::shared_ptr<const pb::EventBatch>(shared, &shared->publish().events());
    waiting_events_ += arrived.events->events_size();
    consumers_.arrived(id_, spool_id_, arrived.events, bytes);
  } else {
    arrived.publish = std::move(*message->mutable_publish());
    ++waiting_others_;
  }
  if (inbox_.size() == 1 || is_commit_due()) commit_wake_.cancel();
}

bool CollectorSession::is_commit_due() const {
  return closing_ || committed_ < wanted_ || waiting_others_ > 0 || waiting_events_ >= kMaxEventsPerCommit ||
         inbox_.size() >= kFullInbox || clock_.steady_ns() >= inbox_.front().due_ns;
}

// The first message, with the events that follow it; `messages` is how many it was.
link::Task<std::uint64_t> CollectorSession::commit_next(std::uint32_t& messages) {
  messages = 1;
  Arrived first = std::move(inbox_.front());
  inbox_.pop_front();
  if (!first.events) {
    --waiting_others_;
    co_return co_await consumers_.publish(id_, spool_id_, std::move(first.publish));
  }
  int events = first.events->events_size();
  EventBatches batches;
  batches.push_back(std::move(first.events));
  while (!inbox_.empty() && inbox_.front().events &&
         events + inbox_.front().events->events_size() <= kMaxEventsPerCommit) {
    events += inbox_.front().events->events_size();
    batches.push_back(std::move(inbox_.front().events));
    inbox_.pop_front();
    ++messages;
  }
  waiting_events_ -= events;
  co_return co_await consumers_.publish_events(id_, spool_id_, std::move(batches));
}

link::Task<> CollectorSession::settle() {
  const auto self = shared_from_this();
  const std::uint64_t wanted = arrived_;
  wanted_ = std::max(wanted_, wanted);
  if (committed_ < wanted) commit_wake_.cancel();
  boost::asio::steady_timer look(commit_wake_.get_executor());
  while (committed_ < wanted && !closing_ && !has_failed_) {
    look.expires_after(kSettleLook);
    boost::system::error_code ec;
    co_await look.async_wait(link::into(ec));
  }
  co_return Result<>{};
}

link::Task<> CollectorSession::commit_loop() {
  Result<> end;
  // What was read before the end is committed, too.
  while (!closing_ || !inbox_.empty()) {
    if (inbox_.empty()) {
      commit_wake_.expires_at(boost::asio::steady_timer::time_point::max());
      boost::system::error_code ec;
      co_await commit_wake_.async_wait(link::into(ec));
      continue;
    }
    if (!is_commit_due()) {
      commit_wake_.expires_after(std::chrono::nanoseconds(inbox_.front().due_ns - clock_.steady_ns()));
      boost::system::error_code ec;
      co_await commit_wake_.async_wait(link::into(ec));
      continue;
    }
    std::uint32_t messages = 0;
    auto acked = co_await commit_next(messages);
    if (!acked) {
      end = fail(std::move(acked).error());
      has_failed_ = true;
      if (is_ours(end.error())) {
        const auto until = std::chrono::steady_clock::now() + kPauseWithoutRoom;
        while (!closing_ && std::chrono::steady_clock::now() < until) {
          commit_wake_.expires_at(until);
          boost::system::error_code ec;
          co_await commit_wake_.async_wait(link::into(ec));
        }
      }
      break;
    }
    committed_ += messages;
    if (*acked > 0) {
      pb::Envelope ack;
      ack.mutable_ack()->set_sequence(*acked);
      send(ack);
    }
    pb::Envelope credit;
    credit.mutable_credit()->set_messages(messages);
    send(credit);
  }
  if (!end) end_session();
  co_return end;
}

link::Task<> CollectorSession::write_loop() {
  Result<> end;
  while (!closing_ || !out_.empty()) {
    const std::int64_t now_ns = clock_.steady_ns();
    if (!closing_ && now_ns >= next_heartbeat_ns_) {
      next_heartbeat_ns_ = now_ns + static_cast<std::int64_t>(heartbeat_interval_ms_) * 1'000'000;
      pb::Envelope beat;
      beat.mutable_heartbeat()->set_time_ms(clock_.unix_ms());
      send(beat);
    }
    if (!closing_ && out_.empty() && now_ns >= next_alive_ns_) {
      pb::Envelope alive;
      alive.mutable_alive();
      send(alive);
    }
    if (out_.empty()) {
      const std::int64_t due_ns = std::min(next_heartbeat_ns_, next_alive_ns_);
      write_wake_.expires_after(std::chrono::nanoseconds(std::max<std::int64_t>(due_ns - now_ns, 1'000'000)));
      boost::system::error_code ec;
      co_await write_wake_.async_wait(link::into(ec));
      continue;
    }
    std::string next = std::move(out_.front());
    out_.pop_front();
    next_alive_ns_ = now_ns + kAliveNs;
    auto sent = co_await connection_.write(std::move(next), kWriteLimit);
    if (!sent) {
      end = fail(std::move(sent).error());
      break;
    }
  }
  end_session();
  co_return end;
}

bool CollectorSession::send(const pb::Envelope& message) {
  if (out_.size() >= kMaxOut) return false;
  out_.push_back(message.SerializeAsString());
  write_wake_.cancel();
  return true;
}

void CollectorSession::begin(std::uint32_t scan_interval_ms) {
  pb::Envelope message;
  message.mutable_begin()->set_scan_interval_ms(scan_interval_ms);
  began_ = send(message);
}

void CollectorSession::adjust(std::uint32_t scan_interval_ms) {
  if (!began_) return;
  pb::Envelope message;
  message.mutable_adjust_interval()->set_scan_interval_ms(scan_interval_ms);
  (void)send(message);  // Whoever does not read has a session that ends soon; the next one begins with it.
}

void CollectorSession::close(const std::string& reason) {
  pb::Envelope message;
  message.mutable_goodbye()->set_reason(reason);
  send(message);
  closing_ = true;
  write_wake_.cancel();
  commit_wake_.cancel();
}

}  // namespace de::bus
