// Reading the settings again on SIGHUP, long after the drop of privileges.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <csignal>

#include "daemon/monitor.h"
#include "daemoneye/base/text.h"
#include "daemoneye/config/change.h"
#include "daemoneye/log/log.h"

namespace de::daemon {

// What is done with the new value of each key that is taken over. A test holds this against the table of keys.
struct Takeover {
  std::string_view key;
  void (*take)(Monitor& monitor, const config::ProcmondConfig& read);

  static void log(Monitor& monitor, const config::ProcmondConfig& read) {
    monitor.config_.log = read.log;
    log::Options options;
    options.level = static_cast<log::Level>(read.log.level);
    options.json = read.log.format == config::LogFormat::Json;
    log::init(options);
  }
  static void scan_interval(Monitor& monitor, const config::ProcmondConfig& read) {
    monitor.config_.scan_interval_ms = read.scan_interval_ms;
    monitor.set_interval(read.scan_interval_ms);
  }
  static void spool_sync(Monitor& monitor, const config::ProcmondConfig& read) {
    monitor.config_.spool_sync_ms = read.spool_sync_ms;
    monitor.next_sync_.cancel();  // Not only when the old time has passed.
  }
  static void max_cpu(Monitor& monitor, const config::ProcmondConfig& read) {
    monitor.config_.events_max_cpu_percent = read.events_max_cpu_percent;
    monitor.pressure_->set_max_cpu_percent(read.events_max_cpu_percent);
  }
};

namespace {

constexpr Takeover kTakeovers[] = {
    {"scan_interval_ms", Takeover::scan_interval},
    {"log.level", Takeover::log},
    {"log.format", Takeover::log},
    {"spool.sync_ms", Takeover::spool_sync},
    {"events.max_cpu_percent", Takeover::max_cpu},
};

}  // namespace

std::vector<std::string_view> Monitor::reloaded_keys() {
  std::vector<std::string_view> out;
  for (const Takeover& one : kTakeovers) out.push_back(one.key);
  return out;
}

// The signal is waited for again when the reload is over: several that come meanwhile are one.
void Monitor::listen_for_hangup() {
  boost::system::error_code ec;
  hangup_.add(SIGHUP, ec);  // Known already the second time.
  hangup_.async_wait([this](boost::system::error_code failed, int) {
    if (failed) return;
    boost::asio::co_spawn(io_, reload(), [this](std::exception_ptr failure, Result<>) {
      if (failure) std::rethrow_exception(failure);
      if (!stopping_) listen_for_hangup();
    });
  });
}

link::Task<> Monitor::reload() {
  auto job = [this] { return config::load_procmond(source_.input); };
  auto read = co_await link::run_on(collect_, std::move(job));
  if (!read) {
    const std::string why = read.error().message().substr(0, 1024);
    settings_refused_ = why;
    log::error("config", "settings are as before: the configuration cannot be taken over", {log::field("reason", why)});
    enter("config.refused", "{\"reason\":" + json_string(why) + "}");
    co_return fail(std::move(read).error());
  }
  take_over(*read);
  co_return Result<>{};
}

void Monitor::take_over(const config::Loaded<config::ProcmondConfig>& read) {
  config::Reread reread = config::compare(config::Program::Procmond, source_.settings, read.settings);
  for (const std::string& warning : read.warnings) log::warn("config", "warning", {log::field("text", warning)});
  for (const config::Change& change : reread.live)
    std::ranges::find(kTakeovers, change.path, &Takeover::key)->take(*this, read.value);
  source_.settings = std::move(reread.settings);
  settings_refused_.clear();
  settings_waiting_ = config::names_of(reread.waiting);
  log::info("config", "read again",
            {log::field("in_force", config::names_of(reread.live)),
             log::field("need_a_restart", config::names_of(reread.waiting))});
  if (!reread.live.empty() || !reread.waiting.empty())
    enter("config.reloaded", "{\"in_force\":" + config::changes_json(reread.live) +
                                 ",\"need_a_restart\":" + config::changes_json(reread.waiting) + "}");
}

}  // namespace de::daemon
