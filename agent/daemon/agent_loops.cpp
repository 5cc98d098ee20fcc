// What the agent does over and over: accept collectors, run rules, look after time.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "daemon/agent.h"
#include "daemoneye/base/heap.h"
#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"

namespace de::daemon {

using namespace std::chrono_literals;

namespace {
constexpr auto kTick = 250ms;
constexpr std::int64_t kRulesIntervalNs = 740'000'000;  // A stat per file; a rule is to be in force within a second.
constexpr std::int64_t kFirstScanNs = 60'000'000'000;
constexpr std::int64_t kNobodyCameNs = 60'000'000'000;
constexpr std::int64_t kRetentionIntervalNs = 600'000'000'000;
constexpr std::size_t kMaxSessions = 64;
constexpr std::size_t kMaxGreetings = 32;  // Of them at a time that have not been admitted; 5 s for each.
// Connections of one user to the broker socket. A collector that cannot stay comes once or twice a second.
constexpr double kKnocksPerSecond = 20;
constexpr double kKnocksAtOnce = 64;
constexpr auto kRestOfTheDoor = 5ms;       // Then 16 of those that wait are closed.
constexpr std::size_t kAlertsPerJob = 64;  // Between them the writer takes other work.
constexpr std::int64_t kLongestLookNs = 100'000'000;
constexpr auto kNextBatch = 20ms;
}  // namespace

// Before anything is spent on a connection.
bool Agent::is_let_in(uid_t uid) {
  constexpr auto kNobody = static_cast<uid_t>(-1);
  const bool is_known = std::ranges::find(identity_.collector_uids, uid) != identity_.collector_uids.end();
  Allowance& knocks = knocks_.try_emplace(is_known ? uid : kNobody, kKnocksPerSecond, kKnocksAtOnce).first->second;
  const std::size_t unknown = open_sessions_ - std::min<std::size_t>(open_sessions_, sessions_.size());
  if (open_sessions_ < kMaxSessions && unknown < kMaxGreetings && knocks.take(clock_.steady_ns())) return true;
  registry_->count_refused();
  return false;
}

link::Task<> Agent::accept_collectors() {
  broker_->ask_first([this](uid_t uid) { return is_let_in(uid); }, kRestOfTheDoor);
  for (;;) {
    auto accepted = co_await broker_->accept();
    if (!accepted) {
      if (accepted.error().code() == Errc::Cancelled) co_return Result<>{};
      log::warn("bus", "accept failed", {log::field("reason", accepted.error().message())});
      continue;
    }
    ++open_sessions_;
    auto session = std::make_shared<bus::CollectorSession>(io_.get_executor(), std::move(*accepted), *registry_,
                                                           consumers_, clock_);
    sessions_pending_.push_back(session);
    auto work = session->run();
    boost::asio::co_spawn(io_, std::move(work), [this, session](std::exception_ptr failure, Result<>) {
      --open_sessions_;
      if (failure) std::rethrow_exception(failure);
      const auto found = sessions_.find(session->id());
      if (found != sessions_.end() && found->second == session) sessions_.erase(found);
    });
  }
}

void Agent::on_connected(const std::string& id) {
  const auto found = std::find_if(sessions_pending_.begin(), sessions_pending_.end(),
                                  [&](const auto& weak) { return !weak.expired() && weak.lock()->id() == id; });
  if (found != sessions_pending_.end()) {
    sessions_[id] = found->lock();
    sessions_pending_.erase(found);
  }
  log::info("bus", "collector connected", {log::field("collector", id)});
  if (id == kLedgerKeeper) ledger_.resend();  // What was noted while nobody was there to write it down.
  describe_tables(id);
  audit("collector.admitted", "{\"collector\":" + json_string(id) + "}");
  advance();
  begin_monitoring();
}

void Agent::on_ended(const std::string& id, const std::string& why, bool violation) {
  std::erase_if(sessions_pending_, [](const auto& weak) { return weak.expired(); });
  note_ended(id, why, violation);
  if (!id.empty()) forget_tables(id);
  if (violation) new_events_.forget(id);
  if (!id.empty()) spawn(intake_->abandon(id), "dropping an unfinished snapshot");
  if (config_.replay && !id.empty()) stop();  // Nobody else will come.
}

void Agent::note_ended(const std::string& id, const std::string& why, bool violation) {
  if (id != kLedgerKeeper && !ends_told_.take(clock_.steady_ns())) {
    if (violation) ++violations_untold_;
    return;
  }
  log::warn("bus", "collector session ended", {log::field("collector", id), log::field("reason", why)});
  if (!violation) return;
  audit("collector.refused", "{\"collector\":" + json_string(id) + ",\"reason\":" + json_string(why) +
                                 ",\"untold_before\":" + std::to_string(std::exchange(violations_untold_, 0)) + "}");
}

void Agent::begin_monitoring() {
  if (state_ == State::Loading || state_ == State::StartupFailed) return;
  for (auto& [id, session] : sessions_)
    if (!session->began()) {
      session->begin(config_.scan_interval_ms);
      begin_tasks(id);
    }
  advance();
}

void Agent::advance() {
  Situation now;
  now.all_connected = registry_->all_expected_connected();
  now.began = std::any_of(sessions_.begin(), sessions_.end(), [](const auto& e) { return e.second->began(); });
  now.startup_overdue = registry_->startup_overdue(started_ns_);
  now.stopping = stopping_;
  const State next = next_state(state_, now);
  if (next == state_) return;
  log::info("agent", "state changed", {log::field("from", to_text(state_)), log::field("to", to_text(next))});
  state_ = next;
  if (next == State::Ready) begin_monitoring();
}

link::Task<> Agent::housekeeping() {
  std::int64_t next_retention_ns = 0;
  std::int64_t next_rules_ns = 0;
  while (!stopping_) {
    for (const std::string& id : registry_->find_silent())
      log::error("bus", "collector is silent", {log::field("collector", id)});
    if (config_.replay && registry_->collectors().empty() && clock_.steady_ns() - started_ns_ > kNobodyCameNs) {
      log::error("agent", "no replay collector has come within a minute");
      stop();
    }
    tick_supervisors();
    watch_ourselves();
    advance();
    send_tasks();
    if (clock_.steady_ns() >= next_rules_ns) {
      next_rules_ns = clock_.steady_ns() + kRulesIntervalNs;
      auto reloaded = co_await reload_rules();
      if (!reloaded) log::error("rules", "reload failed", {log::field("reason", reloaded.error().message())});
    }
    auto reported = co_await report_troubles();
    if (!reported) log::error("alert", "not stored", {log::field("reason", reported.error().message())});
    if (clock_.steady_ns() >= next_retention_ns) {
      next_retention_ns = clock_.steady_ns() + kRetentionIntervalNs;
      auto kept = co_await enforce_retention();
      if (!kept) log::error("store", "retention failed", {log::field("reason", kept.error().message())});
    }
    if (stopping_) break;
    tick_.expires_after(kTick);
    boost::system::error_code ec;
    co_await tick_.async_wait(link::into(ec));
  }
  co_return Result<>{};
}

void Agent::tick_supervisors() {
  for (auto& [id, supervisor] : supervisors_) {
    const auto change = supervisor->tick();
    if (change == supervise::Supervisor::Change::None) continue;
    const supervise::SupervisorCounts counts = supervisor->counts();
    if (change == supervise::Supervisor::Change::Started) {
      log::info("supervise", "collector started", {log::field("collector", id), log::field("pid", counts.pid)});
      audit("collector.started", "{\"collector\":" + json_string(id) + ",\"pid\":" + std::to_string(counts.pid) + "}");
    } else {
      log::error("supervise", "collector ended", {log::field("collector", id), log::field("reason", counts.last_end)});
      audit("collector.ended",
            "{\"collector\":" + json_string(id) + ",\"reason\":" + json_string(counts.last_end) + "}");
    }
  }
}

// A monitor that goes blind must not do so in silence.
link::Task<> Agent::report_troubles() {
  const bool waits_for_first_scan = !image_ && clock_.steady_ns() - started_ns_ < kFirstScanNs;
  if (stopping_ || (waits_for_first_scan && state_ != State::StartupFailed)) co_return Result<>{};
  std::vector<ingest::RaisedAlert> alerts;
  for (const pb::Reason& reason : troubles_.find_new(completeness()))
    alerts.push_back({alert::make_own(reason, identity_.host, clock_), alert::kOwnDedupeWindowMs});
  const std::vector<pb::Reason> noticed = notices_;
  for (const pb::Reason& reason : noticed)
    alerts.push_back({alert::make_own(reason, identity_.host, clock_), alert::kOwnDedupeWindowMs});
  if (alerts.empty()) co_return Result<>{};
  auto stored = co_await store_alerts(std::move(alerts));
  if (!stored)
    troubles_.forget();
  else
    notices_.erase(notices_.begin(), notices_.begin() + static_cast<std::ptrdiff_t>(noticed.size()));
  // One log line until it works again.
  const bool is_told = std::exchange(trouble_untold_, !stored);
  if (!stored && !is_told) co_return fail(std::move(stored).error());
  co_return Result<>{};
}

link::Task<> Agent::enforce_retention() {
  auto job = [this] { return store_->enforce_retention(); };
  auto removed = co_await link::run_on(writer_, std::move(job));
  if (!removed) co_return fail(std::move(removed).error());
  for (const store::RemovedDay& day : *removed)
    audit("retention.removed", "{\"day\":" + json_string(day.day) + ",\"bytes\":" + std::to_string(day.bytes) +
                                   ",\"reason\":" + json_string(day.reason) + "}");
  co_return Result<>{};
}

link::Task<> Agent::detect_loop() {
  while (!stopping_) {
    if (!to_detect_ && new_events_.is_empty() && new_tables_.empty()) {
      detect_wake_.expires_after(std::chrono::hours(1));
      boost::system::error_code ec;
      co_await detect_wake_.async_wait(link::into(ec));
      continue;
    }
    // Events first: they are few, and somebody wants to know now. A snapshot still comes after every run of them.
    detecting_ = true;
    auto seen = co_await detect_events();
    detecting_ = false;
    if (!seen) log::error("alert", "alerts could not be stored", {log::field("reason", seen.error().message())});
    auto looked = co_await detect_snapshot();
    if (!looked) log::error("alert", "alerts could not be stored", {log::field("reason", looked.error().message())});
  }
  co_return Result<>{};
}

// A busy host brings a batch every few milliseconds. To be woken for each, only to hear that there is nothing to tell,
// would cost more than the rules do: those that come soon are looked at in the same job, unless there is something to
// tell, or others have waited long enough for this thread.
ingest::Round Agent::look_at_events(const pb::Completeness& known) {
  const std::int64_t until_ns = clock_.steady_ns() + kLongestLookNs;
  for (;;) {
    const std::vector<ingest::NewEvent> events = new_events_.pop(kNextBatch);
    if (events.empty()) return {};
    ingest::Round round = detector_->run_events(events, known);
    if (!round.alerts.empty() || !round.reasons.empty() || !round.live.empty() || clock_.steady_ns() >= until_ns)
      return round;
  }
}

link::Task<> Agent::detect_events() {
  if (new_events_.is_empty()) co_return Result<>{};
  const pb::Completeness known = completeness();
  auto job = [this, &known]() -> Result<ingest::Round> { return look_at_events(known); };
  auto round = co_await link::run_on(detect_, std::move(job));
  if (!round) co_return fail(std::move(round).error());
  event_reasons_ = std::move(round->reasons);
  take_live(round->live);
  co_return co_await store_alerts(std::move(round->alerts));
}

// A new snapshot is for all rules, other rows of another table for those that read it.
link::Task<> Agent::detect_snapshot() {
  const std::set<std::string> tables = std::exchange(new_tables_, {});
  if (!to_detect_ && tables.empty()) co_return Result<>{};
  const bool is_snapshot = to_detect_ != nullptr;
  to_detect_.reset();
  auto image = shown_;
  if (config_.replay) co_return Result<>{};  // Of a time that is over: a backtest asks as of then.
  const pb::Completeness known = completeness();
  auto job = [this, image, &known, &tables, is_snapshot]() -> Result<ingest::Round> {
    return is_snapshot ? detector_->run(image, known) : detector_->run_over(image, tables, known);
  };
  auto round = co_await link::run_on(detect_, std::move(job));
  if (!round) co_return fail(std::move(round).error());
  take_live(round->live);
  if (is_snapshot) {
    detect_reasons_ = std::move(round->reasons);
    event_reasons_.clear();
  }
  auto stored = co_await store_alerts(std::move(round->alerts));
  image.reset();
  give_back_free_memory();
  co_return stored;
}

link::Task<> Agent::store_alerts(std::vector<ingest::RaisedAlert> alerts) {
  const std::vector<TraceRequest> requests = find_trace_requests(alerts);
  for (std::size_t from = 0; from < alerts.size(); from += kAlertsPerJob) {
    const std::size_t to = std::min(alerts.size(), from + kAlertsPerJob);
    auto job = [this, &alerts, from, to]() -> Result<std::size_t> {
      std::size_t stored = 0;
      for (std::size_t i = from; i < to; ++i) {
        auto outcome = store_->put_alert(alerts[i].alert, sink_names_, alerts[i].dedupe_window_ms);
        if (!outcome && outcome.error().code() == Errc::Exhausted) {
          // The disk is full: the reserve is there for exactly this.
          DE_CHECK(store_->release_reserve());
          outcome = store_->put_alert(alerts[i].alert, sink_names_, alerts[i].dedupe_window_ms);
        }
        if (!outcome) return fail(std::move(outcome).error());
        if (*outcome == store::AlertOutcome::Stored) ++stored;
      }
      return stored;
    };
    auto stored = co_await link::run_on(writer_, std::move(job));
    if (!stored) co_return fail(std::move(stored).error());
    if (*stored > 0)
      for (auto& sink : sinks_) sink->wake();
  }
  begin_traces(requests, alerts);
  co_return Result<>{};
}

bool Agent::tell_procmond(const pb::Envelope& message) {
  const auto procmond = sessions_.find(kLedgerKeeper);
  return procmond != sessions_.end() && procmond->second->send(message);
}

}  // namespace de::daemon
