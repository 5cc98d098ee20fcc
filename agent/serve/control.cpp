#include "serve/control.h"

#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "daemoneye/link/protocol.h"
#include "daemoneye/log/log.h"

namespace de::serve {

using namespace std::chrono_literals;

namespace {
constexpr auto kReadLimit = 5s;
constexpr auto kWriteLimit = 30s;  // Per page; a reader that is a person's pager may pause.
// After 16 that were queued together. An io thread that did nothing but hang up would get the processor later than one
// that sleeps now and then, and so would all answers; the queue being short, it mostly finds it empty and sleeps then.
constexpr auto kRestOfTheDoor = 1ms;
static_assert(ReplyRows::kMaxRowBytes < kControlLimits.write_bytes);
}  // namespace

Control::Control(boost::asio::any_io_executor executor, ControlOptions options, Context& context)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      context_(context),
      shelf_(context.clock, context.stored, context.host),
      admission_(options_.limits) {}

bool Control::may_read(const link::Peer& peer) const {
  if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
  return options_.readers && peer.belongs_to(*options_.readers);
}

Result<> Control::check_may_change(const link::Peer& peer, const char* request) {
  const bool permitted =
      peer.uid == 0 || peer.uid == ::geteuid() || (options_.admins && peer.belongs_to(*options_.admins));
  if (permitted && !context_.settings.read_only) return {};
  ++counts_.denied;
  const std::string uid = std::to_string(peer.uid);
  context_.audit("control.denied", "{\"uid\":" + uid + ",\"request\":\"" + request + "\"}");
  if (permitted) return fail(Errc::Denied, "control.read_only is set: nothing is changed over this socket");
  return fail(Errc::Denied, "uid " + uid + " may ask this agent, but not change it; be root or a member of group " +
                                options_.admins_name);
}

// Before anything is spent on a connection. A few of those that are turned away are let in to be told why.
bool Control::is_let_in(uid_t uid) {
  const std::int64_t now_ns = context_.clock.steady_ns();
  if (admission_.has_room(uid, now_ns, open_, kMaxConnections)) return true;
  if (open_ < kMaxConnections && admission_.may_tell(now_ns)) return true;
  ++counts_.turned_away;
  return false;
}

Result<> Control::admit(uid_t uid) {
  const std::int64_t now_ns = context_.clock.steady_ns();
  const bool has_room = admission_.has_room(uid, now_ns, open_, kMaxConnections);
  DE_CHECK(admission_.enter(uid, now_ns));
  if (has_room) return {};
  admission_.leave(uid);
  return fail(Errc::Exhausted, "too many connections are open; try again later");
}

link::Task<> Control::run(link::Listener& listener) {
  listener.ask_first([this](uid_t uid) { return is_let_in(uid); }, kRestOfTheDoor);
  for (;;) {
    auto accepted = co_await listener.accept();
    if (!accepted) {
      if (accepted.error().code() == Errc::Cancelled) co_return Result<>{};
      log::warn("control", "accept failed", {log::field("reason", accepted.error().message())});
      continue;
    }
    auto connection = std::make_shared<link::Connection>(std::move(*accepted));
    const uid_t uid = connection->peer().uid;
    if (auto admitted = admit(uid); !admitted) {
      ++counts_.turned_away;
      spawn(turn_away(std::move(connection), std::move(admitted).error()), std::nullopt);
      continue;
    }
    spawn(serve(std::move(connection)), uid);
  }
}

void Control::spawn(link::Task<> work, std::optional<uid_t> admitted) {
  ++open_;
  boost::asio::co_spawn(executor_, std::move(work), [this, admitted](std::exception_ptr, Result<> ended) {
    --open_;
    if (admitted) admission_.leave(*admitted);
    if (!ended && (ended.error().code() == Errc::Corrupt || ended.error().code() == Errc::TooLarge))
      ++counts_.violations;
  });
}

link::Task<> Control::turn_away(std::shared_ptr<link::Connection> connection, Error why) {
  co_return co_await send(*connection, failure(why));
}

link::Task<> Control::serve(std::shared_ptr<link::Connection> connection) {
  const uid_t uid = connection->peer().uid;
  if (!may_read(connection->peer())) {
    ++counts_.denied;
    // One who tries again and again does not fill the ledger.
    if (!admission_.may_tell(context_.clock.steady_ns())) co_return Result<>{};
    context_.audit("control.denied", "{\"uid\":" + std::to_string(connection->peer().uid) + "}");
    const std::string why = "uid " + std::to_string(connection->peer().uid) +
                            " may not ask this agent; be root or a member of group " + options_.readers_name;
    co_return co_await send(*connection, failure(Error(Errc::Denied, why)));
  }
  DE_CO_TRY(request, co_await link::read_message<pb::ControlRequest>(*connection, kReadLimit));
  ++counts_.requests;
  const auto is_unwanted = std::make_shared<std::atomic<bool>>(false);
  const link::HangUpWatch watch(*connection, [is_unwanted] { is_unwanted->store(true, std::memory_order_relaxed); });
  co_await wait_for_turn(uid);
  const std::int64_t begin_ns = context_.clock.steady_ns();
  auto answered = co_await work_on(connection->peer(), std::move(request), is_unwanted);
  if (is_unwanted->load(std::memory_order_relaxed)) {
    ++counts_.abandoned;
    co_return Result<>{};
  }
  Answer answer = answered ? std::move(*answered) : failure(answered.error());
  if (!answer.rows.outcome()) answer = failure(answer.rows.outcome().error());
  const std::uint64_t held = answer.rows.bytes();
  if (auto room = admission_.hold(uid, held); !room) co_return co_await send(*connection, failure(room.error()));
  if (answer.trailer.elapsed_us() == 0)
    answer.trailer.set_elapsed_us(static_cast<std::uint64_t>((context_.clock.steady_ns() - begin_ns) / 1000));
  auto sent = co_await send(*connection, std::move(answer));
  admission_.release(uid, held);
  co_return sent;
}

// Its turn ends with it, however that is. Not by a destructor: one of those runs, too, when the agent is taken down
// with requests under way, and whoever waits for the turn may be gone by then.
link::Task<Answer> Control::work_on(link::Peer peer, pb::ControlRequest request, Unwanted is_unwanted) {
  const uid_t uid = peer.uid;
  try {
    Result<Answer> answered = fail(Errc::Cancelled, "the asker left before his turn came");
    if (!is_unwanted->load(std::memory_order_relaxed))
      answered = co_await dispatch(std::move(peer), std::move(request), std::move(is_unwanted));
    admission_.done(uid, context_.clock.steady_ns());
    co_return answered;
  } catch (...) {
    admission_.done(uid, context_.clock.steady_ns());
    throw;
  }
}

// Requests of one user do not take the threads that others need.
boost::asio::awaitable<void> Control::wait_for_turn(uid_t uid) {
  boost::asio::steady_timer begun(executor_, boost::asio::steady_timer::time_point::max());
  bool is_our_turn = false;
  admission_.wait_for_turn(uid, context_.clock.steady_ns(), [&begun, &is_our_turn] {
    is_our_turn = true;
    begun.cancel();
  });
  boost::system::error_code ec;
  if (!is_our_turn) co_await begun.async_wait(link::into(ec));
}

link::Task<Answer> Control::dispatch(link::Peer peer, pb::ControlRequest request, Unwanted is_unwanted) {
  if (request.protocol_major() != link::kControlMajor)
    co_return fail(Errc::Invalid, "this agent speaks protocol " + std::to_string(link::kControlMajor) +
                                      ", the request " + std::to_string(request.protocol_major()) +
                                      "; use the same version of both");
  switch (request.request_case()) {
    case pb::ControlRequest::kQuery:
      co_return co_await answer_query(context_, shelf_, std::move(peer), std::move(*request.mutable_query()),
                                      std::move(is_unwanted));
    case pb::ControlRequest::kSchema:
      co_return co_await answer_schema(context_, request.schema());
    case pb::ControlRequest::kRulesList:
      co_return co_await answer_rules_list(context_);
    case pb::ControlRequest::kRuleShow:
      co_return co_await answer_rule_show(context_, request.rule_show());
    case pb::ControlRequest::kRuleCheck:
      co_return co_await answer_rule_check(context_, std::move(*request.mutable_rule_check()));
    case pb::ControlRequest::kRuleTest:
      co_return co_await answer_rule_test(context_, request.rule_test());
    case pb::ControlRequest::kRuleBacktest:
      co_return co_await answer_rule_backtest(context_, std::move(*request.mutable_rule_backtest()),
                                              std::move(is_unwanted));
    case pb::ControlRequest::kAlertsList:
      co_return co_await answer_alerts_list(context_, request.alerts_list());
    case pb::ControlRequest::kAlertShow:
      co_return co_await answer_alert_show(context_, request.alert_show(), std::move(is_unwanted));
    case pb::ControlRequest::kHealth:
      co_return co_await answer_health(context_, counts_, request.health());
    case pb::ControlRequest::kFollow:
      co_return co_await answer_follow(context_, request.follow());
    case pb::ControlRequest::kConfigReload:
      if (auto may = check_may_change(peer, "config reload"); !may) co_return fail(std::move(may).error());
      co_return co_await answer_config_reload(context_, std::move(peer));
    case pb::ControlRequest::kRuleSwitch:
      if (auto may = check_may_change(peer, "rules switch"); !may) co_return fail(std::move(may).error());
      co_return co_await answer_rule_switch(context_, std::move(peer), std::move(*request.mutable_rule_switch()));
    case pb::ControlRequest::REQUEST_NOT_SET:
      break;
  }
  co_return fail(Errc::Invalid, "this agent does not know the request; use the same version of both programs");
}

link::Task<> Control::send(link::Connection& connection, Answer answer) {
  pb::ControlReply header;
  for (std::string& column : answer.columns) header.mutable_header()->add_columns(std::move(column));
  if (!answer.columns.empty()) {
    auto sent = co_await link::write_message(connection, header, kWriteLimit);
    if (!sent) co_return fail(std::move(sent).error());
  }
  const std::uint64_t rows = answer.rows.size();
  for (;;) {
    DE_CO_TRY(page, answer.rows.next_page());
    if (!page) break;
    auto sent = co_await connection.write(std::move(*page), kWriteLimit);
    if (!sent) co_return fail(std::move(sent).error());
  }
  pb::ControlReply end;
  answer.trailer.set_rows(rows);
  end.mutable_trailer()->Swap(&answer.trailer);
  co_return co_await link::write_message(connection, end, kWriteLimit);
}

}  // namespace de::serve
