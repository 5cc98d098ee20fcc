// Reading the settings again while the agent runs: on SIGHUP, and when an operator asks for it.
#include <algorithm>
#include <csignal>

#include "daemon/agent.h"
#include "daemon/budgets.h"
#include "daemoneye/base/text.h"
#include "daemoneye/config/change.h"
#include "daemoneye/log/log.h"

namespace de::daemon {

// What is done with the new value of each key that is taken over. A test holds this against the table of keys.
struct Takeover {
  std::string_view key;
  void (*take)(Agent& agent, const config::AgentConfig& read);

  static void log(Agent& agent, const config::AgentConfig& read) {
    agent.config_.log = read.log;
    log::Options options;
    options.level = static_cast<log::Level>(read.log.level);
    options.json = read.log.format == config::LogFormat::Json;
    log::init(options);
  }
  static void scan_interval(Agent& agent, const config::AgentConfig& read) {
    agent.config_.scan_interval_ms = read.scan_interval_ms;
    for (auto& [id, session] : agent.sessions_) session->adjust(read.scan_interval_ms);
  }
  static void commit_delay(Agent& agent, const config::AgentConfig& read) {
    agent.config_.commit_delay_ms = read.commit_delay_ms;
    agent.consumers_.commit_delay_ms = read.commit_delay_ms;
  }
  static void kept(Agent& agent, const config::AgentConfig& read) {
    agent.config_.retention_days = read.retention_days;
    agent.config_.max_size_mb = read.max_size_mb;
    agent.store_->keep(read.retention_days, static_cast<std::uint64_t>(read.max_size_mb) << 20);
  }
  static void query(Agent& agent, const config::AgentConfig& read) {
    agent.config_.query = read.query;
    agent.context_->query_budget = query_budget(read);
  }
  static void rules(Agent& agent, const config::AgentConfig& read) {
    agent.config_.rules = read.rules;
    agent.config_.backtest_timeout_ms = read.backtest_timeout_ms;
    agent.config_.rules_max_cpu_percent = read.rules_max_cpu_percent;
    agent.context_->backtest = backtest_limits(agent.config_);
    // Behind the run that may be going on.
    boost::asio::post(agent.detect_,
                      [&detector = *agent.detector_, budget = rule_budget(read), percent = read.rules_max_cpu_percent] {
                        detector.set_budget(budget);
                        detector.set_max_cpu_percent(percent);
                      });
  }
  static void dedup(Agent& agent, const config::AgentConfig& read) {
    agent.config_.dedup_seconds = read.dedup_seconds;
    agent.context_->backtest = backtest_limits(agent.config_);
    boost::asio::post(agent.detect_, [&detector = *agent.detector_, seconds = read.dedup_seconds] {
      detector.set_dedup_seconds(seconds);
    });
  }
  static void read_only(Agent& agent, const config::AgentConfig& read) {
    agent.config_.control.read_only = read.control.read_only;
    agent.context_->settings.read_only = read.control.read_only;
  }
};

namespace {

constexpr Takeover kTakeovers[] = {
    {"scan_interval_ms", Takeover::scan_interval},
    {"log.level", Takeover::log},
    {"log.format", Takeover::log},
    {"database.retention_days", Takeover::kept},
    {"database.commit_delay_ms", Takeover::commit_delay},
    {"database.max_size_mb", Takeover::kept},
    {"query.timeout_ms", Takeover::query},
    {"query.memory_mb", Takeover::query},
    {"query.max_rows", Takeover::query},
    {"rules.timeout_ms", Takeover::rules},
    {"rules.memory_mb", Takeover::rules},
    {"rules.max_rows", Takeover::rules},
    {"rules.max_cpu_percent", Takeover::rules},
    {"rules.backtest_timeout_ms", Takeover::rules},
    {"alerts.dedup_seconds", Takeover::dedup},
    {"control.read_only", Takeover::read_only},
};

void append(std::vector<serve::ChangedSetting>& out, const std::vector<config::Change>& changes, bool in_force) {
  for (const config::Change& change : changes)
    out.push_back({std::string(change.path), change.before, change.after, change.where, in_force});
}

}  // namespace

std::vector<std::string_view> Agent::reloaded_keys() {
  std::vector<std::string_view> out;
  for (const Takeover& one : kTakeovers) out.push_back(one.key);
  return out;
}

void Agent::listen_for_hangup() {
  boost::system::error_code ec;
  hangup_.add(SIGHUP, ec);  // Known already the second time.
  hangup_.async_wait([this](boost::system::error_code failed, int) {
    if (failed) return;
    spawn(reload_on_hangup(), "reload on SIGHUP failed");
  });
}

// The signal is waited for again when the reload is over: several that come meanwhile are one.
link::Task<> Agent::reload_on_hangup() {
  auto reloaded = co_await reload_settings(::geteuid());
  (void)reloaded;  // Logged, entered in the ledger, and shown by health.
  if (!stopping_) listen_for_hangup();
  co_return Result<>{};
}

link::Task<std::vector<serve::ChangedSetting>> Agent::reload_settings(uid_t uid) {
  if (reloading_) co_return fail(Errc::Conflict, "the configuration is being read again already; ask once more");
  reloading_ = true;
  auto job = [this] { return config::load_agent(source_.input); };
  auto read = co_await link::run_on(readers_, std::move(job));
  reloading_ = false;
  if (read) co_return take_over(*read, uid);
  const std::string why = read.error().message();
  context_->settings.refused = why;
  log::error("config", "settings are as before: the configuration cannot be taken over", {log::field("reason", why)});
  audit("config.refused", "{\"uid\":" + std::to_string(uid) + ",\"reason\":" + json_string(why.substr(0, 1024)) + "}");
  co_return fail(std::move(read).error());
}

Result<std::vector<serve::ChangedSetting>> Agent::take_over(const config::Loaded<config::AgentConfig>& read,
                                                            uid_t uid) {
  config::Reread reread = config::compare(config::Program::Agent, source_.settings, read.settings);
  for (const std::string& warning : read.warnings) log::warn("config", "warning", {log::field("text", warning)});
  for (const config::Change& change : reread.live)
    std::ranges::find(kTakeovers, change.path, &Takeover::key)->take(*this, read.value);
  source_.settings = std::move(reread.settings);
  serve::SettingsState& state = context_->settings;
  state.refused.clear();
  state.waiting.clear();
  for (const config::Change& change : reread.waiting) state.waiting.emplace_back(change.path);
  log::info("config", "read again",
            {log::field("in_force", config::names_of(reread.live)),
             log::field("need_a_restart", config::names_of(reread.waiting))});
  if (!reread.live.empty() || !reread.waiting.empty())
    audit("config.reloaded", "{\"uid\":" + std::to_string(uid) + ",\"in_force\":" + config::changes_json(reread.live) +
                                 ",\"need_a_restart\":" + config::changes_json(reread.waiting) + "}");
  std::vector<serve::ChangedSetting> out;
  append(out, reread.live, true);
  append(out, reread.waiting, false);
  return out;
}

}  // namespace de::daemon
