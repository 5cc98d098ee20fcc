#include "uplink/uplink.h"

#include <algorithm>

#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"
#include "uplink/session.h"

namespace de::uplink {

using namespace std::chrono_literals;

namespace {
constexpr auto kDialLimit = 5s;
// A dial that nobody answers costs a system call; the agent is expected to be back in service within 10 s of its start.
constexpr std::chrono::milliseconds kMaxDialPause = 2s;
constexpr std::int64_t kWorkedNs = 5'000'000'000;  // A session of so long is worth dialling again at once.
}  // namespace

Uplink::Uplink(boost::asio::any_io_executor executor, Options options, Hooks hooks, spool::Spool& spool,
               audit::LedgerFile& ledger, const Clock& clock)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      spool_(spool),
      ledger_(ledger),
      clock_(clock),
      pause_(executor_) {}

Uplink::~Uplink() = default;

bool Uplink::is_agent(const link::Peer& peer) const {
  return std::find(options_.agent_uids.begin(), options_.agent_uids.end(), peer.uid) != options_.agent_uids.end();
}

void Uplink::enter(std::string_view actor, std::string_view action, const std::string& payload) {
  const auto entered = ledger_.append(std::string(actor), std::string(action), payload);
  if (!entered) log::error("audit", "ledger entry failed", {log::field("reason", entered.error().message())});
}

link::Task<> Uplink::run() {
  link::Backoff backoff;
  std::string last_failure;
  while (!stopping_) {
    auto dialled = co_await link::dial(options_.broker_socket, kLimits, kDialLimit);
    const std::uint64_t before = counts_.violations + counts_.refused;
    Result<> ended;
    if (dialled) {
      const std::int64_t begin_ns = clock_.steady_ns();
      ended = co_await one_session(std::move(*dialled));
      if (clock_.steady_ns() - begin_ns >= kWorkedNs) backoff.reset();
    } else {
      ended = fail(std::move(dialled).error());
    }
    if (stopping_) break;
    // The same failure again and again is one line, not one per attempt.
    const std::string failure = ended ? "closed" : ended.error().message();
    if (failure != last_failure) log::warn("uplink", "no agent", {log::field("reason", failure)});
    last_failure = failure;
    // Whoever breaks the protocol does it again, and each time is a session and a ledger entry.
    const bool is_hopeless = counts_.violations + counts_.refused != before;
    const auto pause = backoff.next();
    pause_.expires_after(is_hopeless ? pause : std::min(pause, kMaxDialPause));
    boost::system::error_code ec;
    co_await pause_.async_wait(link::into(ec));
  }
  co_return Result<>{};
}

link::Task<> Uplink::one_session(link::Connection connection) {
  const link::Peer peer = connection.peer();
  if (!is_agent(peer)) {
    ++counts_.refused;
    enter("procmond", "agent.refused", "{\"uid\":" + std::to_string(peer.uid) + "}");
    co_return fail(Errc::Denied, options_.broker_socket + " is served by uid " + std::to_string(peer.uid) +
                                     ", which is not the agent's; set agent_uid if it should be");
  }
  session_ = std::make_shared<Session>(*this, std::move(connection));
  const std::uint64_t violations = counts_.violations;
  auto ended = co_await session_->run();
  session_.reset();
  hooks_.end_session();
  if (counts_.violations != violations && !ended)
    enter("procmond", "agent.violation", "{\"reason\":" + json_string(ended.error().message()) + "}");
  co_return ended;
}

void Uplink::stop() {
  stopping_ = true;
  pause_.cancel();
  if (session_) session_->close("procmond stops");
}

bool Uplink::wants_snapshots() const { return session_ && session_->wants_snapshots(); }

void Uplink::offer_snapshot(std::deque<std::string> chunks) {
  if (session_) session_->offer_snapshot(std::move(chunks));
}

void Uplink::wake() {
  if (session_) session_->wake();
}

void Uplink::beat_now() {
  if (session_) session_->beat_now();
}

}  // namespace de::uplink
