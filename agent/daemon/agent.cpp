#include "daemon/agent.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <csignal>

#include "daemon/budgets.h"
#include "daemon/program.h"
#include "daemon/sink_options.h"
#include "daemoneye/base/text.h"
#include "daemoneye/link/protocol.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

constexpr std::size_t kMegabyte = 1UL << 20;
constexpr auto kReplayLook = std::chrono::milliseconds(1);
constexpr auto kTokenLifetime = std::chrono::minutes(2);  // Twice the startup timeout.

}  // namespace

Agent::Agent(config::AgentConfig config, config::SettingsSource source, AgentIdentity identity, Launched launched,
             const Clock& clock)
    : config_(std::move(config)),
      source_(std::move(source)),
      identity_(std::move(identity)),
      clock_(clock),
      launched_(std::move(launched)),
      tokens_(clock, kTokenLifetime) {}

Agent::~Agent() {
  for (auto& sink : sinks_) sink->stop();
  writer_.join();
  detect_.join();
  readers_.join();
}

Result<std::unique_ptr<Agent>> Agent::bring_up(config::AgentConfig config, config::SettingsSource source,
                                               AgentIdentity identity, Launched launched, const Clock& clock,
                                               ServiceNotify notify) {
  std::unique_ptr<Agent> agent(
      new Agent(std::move(config), std::move(source), std::move(identity), std::move(launched), clock));
  agent->notify_ = std::move(notify);
  DE_CHECK(agent->open());
  return agent;
}

ingest::DetectorOptions Agent::detector_options() const {
  ingest::DetectorOptions out;
  out.rules_dirs = config_.paths.rules_dirs;
  out.budget = rule_budget(config_);
  out.dedup_seconds = config_.dedup_seconds;
  out.folds = !config_.replay;
  // A recording comes as fast as it can be read, and all of it is to be looked at.
  if (!config_.replay) out.max_cpu_percent = config_.rules_max_cpu_percent;
  out.max_live_reads = config_.rules_max_live_reads;
  out.host = identity_.host;
  out.switches = find_switches();
  out.host_source = host_.get();
  return out;
}

// Store first: it refuses a second agent on the same directory before anything else is touched.
Result<> Agent::open() {
  store::StoreOptions store_options;
  store_options.dir = config_.paths.store_dir;
  store_options.retention_days = config_.retention_days;
  store_options.max_bytes = static_cast<std::uint64_t>(config_.max_size_mb) * kMegabyte;
  store_options.max_capture_bytes = static_cast<std::uint64_t>(config_.trace_max_mb) * kMegabyte;
  auto store = store::Store::open(store_options, clock_);
  if (!store) return fail(std::move(store).error());
  store_ = std::move(*store);
  stored_ = std::make_unique<ingest::StoredRows>(*store_);
  host_ = std::make_unique<host::HostFacts>(
      host::HostOptions{config_.file_dirs, config_.content_dirs, config_.max_files, "/etc"}, identity_.system, clock_);
  (void)host_->rows(schema::HostTable::Users);  // Kept for when their files are replaced; who asks is told otherwise.
  catalog_ = std::make_unique<catalog::Catalog>(
      clock_, catalog::Limits{config_.table_max_rows, static_cast<std::size_t>(config_.table_max_mb) * kMegabyte});
  tracer_ =
      std::make_unique<trace::Tracer>(clock_, trace::Limits{config_.trace_max_active, config_.trace_max_readings});
  DE_TRY(empty, mirror::empty_image());
  empty_image_ = std::move(empty);
  show_tables();
  DE_TRY(mirror, mirror::Mirror::create());
  mirror_ = std::move(mirror);
  DE_TRY(detector, ingest::Detector::open(detector_options(), clock_, stored_.get()));
  detector_ = std::move(detector);
  DE_TRY(loaded, detector_->reload());
  (void)loaded;  // No rules yet is a state that health reports.

  bus::Admission admission;
  admission.uids = identity_.collector_uids;
  admission.check_genuine = [this](const link::Peer& peer, const pb::Hello& hello) {
    return check_genuine(peer, hello);
  };
  registry_ = std::make_unique<bus::Registry>(std::move(admission), clock_);
  expect_collectors();
  const auto on_image = [this](std::shared_ptr<const mirror::Image> image) {
    image_ = std::move(image);
    show_tables();
    to_detect_ = shown_;
    detect_wake_.cancel();
  };
  intake_ = std::make_unique<ingest::Intake>(*store_, *mirror_, writer_, clock_, on_image);
  DE_CHECK(intake_->recall_gaps());
  DE_CHECK(open_sinks());

  DE_CHECK(listen());

  consumers_ = make_consumers();
  context_ = std::make_unique<serve::Context>(make_context());
  serve::ControlOptions options;
  options.readers = identity_.readers;
  options.readers_name = config_.control.readers;
  options.admins = identity_.admins;
  options.admins_name = config_.control.admins;
  options.limits.requests_per_s = config_.control.max_requests_per_s;
  options.limits.connections = config_.control.max_connections;
  control_ = std::make_unique<serve::Control>(io_.get_executor(), std::move(options), *context_);
  return {};
}

Result<> Agent::listen() {
  link::ListenOptions broker_options;
  broker_options.path = config_.paths.broker_socket;
  broker_options.mode = 0660;
  broker_options.limits = bus::kBrokerLimits;
  auto broker = link::Listener::open(io_.get_executor(), std::move(broker_options));
  if (!broker) return fail(std::move(broker).error().during("open broker socket"));
  broker_ = std::make_unique<link::Listener>(std::move(*broker));
  link::ListenOptions control_options;
  control_options.path = config_.paths.control_socket;
  control_options.mode = 0660;
  control_options.group = identity_.readers;
  control_options.limits = serve::kControlLimits;
  auto control = link::Listener::open(io_.get_executor(), std::move(control_options));
  if (!control) return fail(std::move(control).error().during("open control socket"));
  control_listener_ = std::make_unique<link::Listener>(std::move(*control));
  return {};
}

// A collector that the agent started is that process, and brings its token the first time. Others are judged by uid:
// that of their own account where the configuration names one.
Result<> Agent::check_genuine(const link::Peer& peer, const pb::Hello& hello) {
  const std::string& id = hello.collector_id();
  const bool is_replay = hello.collector_type() == link::kReplayType;
  if (is_replay && !config_.replay)
    return fail(Errc::Denied, "recorded events are only for an agent that was started with --replay");
  if (!is_replay && config_.replay)
    return fail(Errc::Denied, "this agent was started with --replay and takes recorded events only");
  const auto user = identity_.users_of_collectors.find(id);
  if (user != identity_.users_of_collectors.end() && peer.uid != user->second)
    return fail(Errc::Denied, "collector " + id + " must be uid " + std::to_string(user->second) +
                                  " by the agent's configuration, not " + std::to_string(peer.uid));
  const auto supervisor = supervisors_.find(id);
  const bool is_ours =
      supervisor == supervisors_.end() || (peer.pid == supervisor->second->counts().pid &&
                                           (!tokens_.is_expected(id) || tokens_.redeem(id, hello.spawn_token())));
  if (!is_ours) return fail(Errc::Denied, "collector " + id + " is not the process this agent started");
  return catalog_->check(id, owns_processes(id), hello.schema());  // Nobody else learns which names are taken.
}

Result<std::unique_ptr<sink::Sink>> Agent::make_sink(const config::SinkConfig& entry) {
  DE_TRY(options, to_options(entry));
  if (!needs_courier(entry.type)) return sink::make_sink(options);
  return sink::make_courier_sink(options, *launched_.launcher, launched_.couriers.at(entry.name));
}

Result<> Agent::open_sinks() {
  queue_ = std::make_unique<StoreQueue>(*store_, writer_);
  std::vector<config::SinkConfig> wanted = config_.sinks;
  if (wanted.empty() && !config_.replay) {
    config::SinkConfig file;
    file.name = "file";
    file.type = config::SinkType::File;
    file.path = config_.paths.state_dir + "/alerts.jsonl";
    wanted.push_back(std::move(file));
  }
  for (const config::SinkConfig& entry : wanted) {
    auto made = make_sink(entry);
    if (!made) return fail(std::move(made).error().during("open sink " + entry.name));
    sink::DeliveryOptions delivery;
    delivery.min_severity = static_cast<pb::Severity>(entry.min_severity);
    sinks_.push_back(std::make_unique<sink::Delivery>(std::move(*made), *queue_, delivery));
    sink_names_.push_back(entry.name);
  }
  return {};
}

void Agent::expect_collectors() {
  std::vector<config::CollectorConfig> wanted = config_.collectors;
  if (wanted.empty() && !config_.replay) wanted.emplace_back().id = "procmond";
  for (const config::CollectorConfig& entry : wanted) {
    if (!entry.enabled) continue;
    registry_->expect(entry.id, entry.type, entry.startup_timeout_secs * 1000, entry.heartbeat_interval_secs * 1000);
    if (entry.path.empty()) continue;
    supervise::SupervisorOptions options;
    options.program = launched_.collectors.at(entry.id);
    options.auto_restart = entry.auto_restart;
    options.fresh_environment = [this, id = entry.id]() -> Result<std::vector<std::string>> {
      DE_TRY(token, tokens_.issue(id));
      return std::vector<std::string>{"DAEMONEYE_SPAWN_TOKEN=" + token};
    };
    supervisors_[entry.id] = std::make_unique<supervise::Supervisor>(std::move(options), *launched_.launcher, clock_);
  }
  open_canary();
}

bus::Consumers Agent::make_consumers() {
  bus::Consumers out;
  out.acked = [this](const std::string& collector, const std::string& spool_id) {
    return store_->acked_sequence(collector, spool_id);
  };
  out.publish = [this](std::string collector, std::string spool_id, pb::Publish publish) {
    if (publish.has_table_rows()) return take_rows(std::move(collector), std::move(*publish.mutable_table_rows()));
    return intake_->publish(std::move(collector), std::move(spool_id), std::move(publish));
  };
  out.publish_events = [this](std::string collector, std::string spool_id, bus::EventBatches batches) {
    return take_events(std::move(collector), std::move(spool_id), std::move(batches));
  };
  // Rules do not wait for the commit. An alert that is stored before its event has it inside.
  out.arrived = [this](const std::string& collector, const std::string& spool_id,
                       const std::shared_ptr<const pb::EventBatch>& events, std::size_t bytes) {
    canary_->look_at(*events);
    tracer_->take(*events);
    if (tracer_->is_waiting()) trace_wake_.cancel();
    new_events_.push(collector, spool_id, store_->acked_sequence(collector, spool_id), events, bytes);
    detect_wake_.cancel();
  };
  out.commit_delay_ms = config_.commit_delay_ms;
  // Only procmond writes the ledger: anybody else would make us forget entries that nobody wrote.
  out.ledger_appended = [this](const std::string& collector, const pb::LedgerAppended& appended) {
    if (collector == kLedgerKeeper) ledger_.confirm(appended.request_id());
  };
  out.task_result = [this](const std::string& collector, const pb::DetectionResult& result) {
    if (collector == process_collector_) take_result(result);
  };
  out.connected = [this](const std::string& id) { on_connected(id); };
  out.ended = [this](const std::string& id, const std::string& why, bool violation) { on_ended(id, why, violation); };
  return out;
}

serve::Context Agent::make_context() {
  return serve::Context{
      clock_,
      *store_,
      *registry_,
      *intake_,
      *stored_,
      host_.get(),
      *detector_,
      *catalog_,
      demand_,
      *tracer_,
      readers_,
      detect_,
      sinks_,
      supervisors_,
      *canary_,
      query_budget(config_),
      backtest_limits(config_),
      config_.paths.store_dir,
      [this] { return shown_; },
      [this] { return settle(); },
      [this](mirror::ColumnNeeds needs, std::int64_t limit_ms) { return collect(std::move(needs), limit_ms); },
      [this](std::vector<mirror::LiveKey> keys, std::int64_t limit_ms) { return read_live(std::move(keys), limit_ms); },
      config_.max_live,
      [this] { return completeness(); },
      [this] { return std::string(to_text(state_)); },
      [this](const std::string& action, const std::string& payload) { audit(action, payload); },
      [this] {
        return serve::LedgerBacklog{ledger_.waiting(), ledger_.lost()};
      },
      [this] { return new_events_.counts(); },
      [this](uid_t uid) { return reload_settings(uid); },
      [this](uid_t uid, std::string rule_id, detect::RuleSwitch position) {
        return switch_rule(uid, std::move(rule_id), position);
      },
      serve::SettingsState{config_.control.read_only, {}, {}},
  };
}

// The pace of a recording is that of the rules: none is passed over, and what is acknowledged was looked at.
link::Task<std::uint64_t> Agent::take_events(std::string collector, std::string spool_id, bus::EventBatches batches) {
  auto stored = co_await intake_->publish_events(std::move(collector), std::move(spool_id), std::move(batches));
  boost::asio::steady_timer look(io_);
  while (config_.replay && !stopping_ && (detecting_ || !new_events_.is_empty())) {
    look.expires_after(kReplayLook);
    boost::system::error_code ec;
    co_await look.async_wait(link::into(ec));
  }
  co_return stored;
}

link::Task<> Agent::settle() {
  std::vector<std::shared_ptr<bus::CollectorSession>> sessions;
  for (const auto& [id, session] : sessions_) sessions.push_back(session);
  for (const auto& session : sessions) {
    auto settled = co_await session->settle();
    (void)settled;  // What could not be stored is one of the reasons in completeness().
  }
  co_return Result<>{};
}

pb::Completeness Agent::completeness() const {
  pb::Completeness out;
  const auto add = [&](const std::vector<pb::Reason>& reasons) {
    for (const pb::Reason& reason : reasons) *out.add_reasons() = reason;
  };
  add(registry_->reasons());
  add(intake_->reasons());
  add(detect_reasons_);
  add(event_reasons_);
  add(live_reasons_);
  add(new_events_.reasons());
  add(canary_->reasons());
  add(catalog_->reasons());
  add(demand_.reasons());
  add(tracer_->reasons());
  if (!image_ && !config_.replay) {
    pb::Reason& reason = *out.add_reasons();
    reason.set_reason("CollectorUnavailable");
    reason.set_detail("no snapshot has arrived since the agent started");
  }
  out.set_complete(out.reasons_size() == 0);
  return out;
}

void Agent::spawn(link::Task<> task, const char* what) {
  boost::asio::co_spawn(io_, std::move(task), [this, what](std::exception_ptr failure, Result<> ended) {
    // An exception here is one of a library's that nobody expected: stop rather than go on half alive.
    if (failure) std::rethrow_exception(failure);
    if (!ended && !stopping_) log::warn("agent", what, {log::field("reason", ended.error().message())});
  });
}

Result<> Agent::run() {
  started_ns_ = clock_.steady_ns();
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.async_wait([this](boost::system::error_code ec, int) {
    if (!ec) stop();
  });
  listen_for_hangup();
  spawn(accept_collectors(), "collector listener ended");
  spawn(control_->run(*control_listener_), "control listener ended");
  spawn(housekeeping(), "housekeeping ended");
  spawn(detect_loop(), "detection ended");
  spawn(live_loop(), "rules with AUTO JOIN ended");
  spawn(trace_loop(), "traces ended");
  if (notify_.is_connected()) spawn(notify_loop(), "telling the service manager ended");
  log::info("agent", "listening",
            {log::field("broker", config_.paths.broker_socket), log::field("control", config_.paths.control_socket)});
  detector_->log_prepared();  // Nothing is detected yet.
  audit("agent.start", "{\"version\":\"" DE_VERSION "\",\"uid\":" + std::to_string(::geteuid()) +
                           ",\"settings\":" + config::changed_settings_json(source_.settings) + "}");
  io_.run();
  for (auto& sink : sinks_) sink->begin_stop();
  for (auto& sink : sinks_) sink->stop();
  log::info("agent", "stopped");
  return {};
}

void Agent::stop() {
  if (stopping_) return;
  stopping_ = true;
  notify_.stopping();
  advance();
  for (auto& [id, supervisor] : supervisors_) {
    const auto stopped = supervisor->stop(std::chrono::seconds(5));
    if (!stopped) log::warn("supervise", "collector did not stop", {log::field("reason", stopped.error().message())});
  }
  for (auto& [id, session] : sessions_) session->close("the agent stops");
  broker_->close();
  control_listener_->close();
  signals_.cancel();
  hangup_.cancel();
  tick_.cancel();
  detect_wake_.cancel();
  live_wake_.cancel();
  trace_wake_.cancel();
  next_notice_.cancel();
}

}  // namespace de::daemon
