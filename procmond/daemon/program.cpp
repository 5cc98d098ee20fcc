#include "daemon/program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "collect/identity.h"
#include "daemon/command_line.h"
#include "daemon/confine.h"
#include "daemon/monitor.h"
#include "daemon/record_json.h"
#include "daemon/sources.h"
#include "daemoneye/base/account.h"
#include "daemoneye/base/fault.h"
#include "daemoneye/base/heap.h"
#include "daemoneye/base/service_notify.h"
#include "daemoneye/guard/guard.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

int report(const Error& error, int code) {
  std::fprintf(stderr, "procmond: %s\n", error.message().c_str());
  return code;
}

int print_once(const config::ProcmondConfig& config, bool as_array) {
  collect::CollectorOptions options;
  options.source.collect_environment = config.collect_environment;
  options.source.mask_arguments = !config.unmasked_arguments;
  options.hash.enabled = false;  // A snapshot does not wait for hashes.
  auto collector = collect::Collector::create(options, system_clock());
  if (!collector) return report(collector.error(), 1);
  collect::EventList events;
  std::uint64_t printed = 0;
  const auto on_record = [&](pb::ProcessRecord& record) {
    std::fputs(as_array ? (printed == 0 ? "[" : ",\n") : "", stdout);
    std::fputs(to_json(record).c_str(), stdout);
    if (!as_array) std::fputc('\n', stdout);
    ++printed;
  };
  const auto summary = (*collector)->scan(on_record, events);
  if (!summary) return report(summary.error(), 1);
  if (as_array) std::fputs(printed == 0 ? "[]\n" : "]\n", stdout);
  if (std::fflush(stdout) != 0) return report(Error(Errc::Io, "write to standard output", last_os_error()), 1);
  return 0;
}

struct Opened {
  std::vector<uid_t> agent_uids;
  OpenedSources sources;
  guard::Held held;
};

// Everything that needs root, then the drop.
Result<Opened> open_and_drop(const config::ProcmondConfig& config) {
  const bool is_root = ::geteuid() == 0;
  Opened out;
  Account self{::geteuid(), ::getegid()};
  Account agent{::geteuid(), ::getegid()};
  if (is_root) {
    DE_TRY(found, find_account_or(config.user, config.paths.is_private, kPrivateProcmondUid));
    self = found;
    const auto named = find_account_or(config.agent_user, config.paths.is_private, kPrivateAgentUid);
    if (named) {
      agent = *named;
      // The ledger is readable and the broker socket writable by the agent's group, which is ours, too.
      self.gid = agent.gid;
    }
  } else if (!config.paths.is_private) {
    // A service manager made us what we are to be, with the capabilities we need; the agent is somebody else.
    if (const auto named = find_account(config.agent_user)) agent = *named;
  }
  if (config.agent_uid) agent.uid = *config.agent_uid;
  out.agent_uids.push_back(agent.uid);
  const std::string& state = config.paths.state_dir;
  // Whoever owns it could exchange our directories behind us.
  DE_CHECK(make_directory(state, 0711));
  const std::array<uid_t, 3> owners = {agent.uid, self.uid, is_root ? 0 : self.uid};
  DE_CHECK(check_directory(state, owners));
  DE_CHECK(own_directory(state + "/collect", self, 0700));
  DE_CHECK(own_directory(config.paths.spool_dir, self, 0700));
  DE_CHECK(own_directory(config.paths.ledger_dir, self, 0750));
  DE_CHECK(start_opener(self, out.sources));
  DE_CHECK(open_sources(config, out.sources));
  guard::GuardOptions options;
  options.uid = self.uid;
  options.gid = self.gid;
  options.keep_caps = needed_capabilities();
  auto held = guard::drop(options);
  if (!held) return fail(std::move(held).error().during("drop privileges"));
  out.held = std::move(*held);
  return out;
}

int monitor_until_signal(const config::Loaded<config::ProcmondConfig>& loaded, config::LoadInput input) {
  const config::ProcmondConfig& config = loaded.value;
  auto notify = ServiceNotify::from_environment();
  if (!notify) return report(notify.error(), 1);
  auto opened = open_and_drop(config);
  if (!opened) return report(opened.error(), 1);
  auto ledger = audit::LedgerFile::open(config.paths.ledger_dir, system_clock());
  if (!ledger) return report(std::move(ledger).error().during("open ledger " + config.paths.ledger_dir), 1);
  spool::SpoolOptions spool_options;
  spool_options.dir = config.paths.spool_dir;
  if (auto boot_id = collect::read_boot_id()) spool_options.boot_id = std::move(*boot_id);
  spool_options.max_bytes = static_cast<std::uint64_t>(config.spool_max_mb) << 20;
  // What is shed is whole segments: of a small spool not half at once.
  spool_options.segment_bytes = std::min(spool_options.segment_bytes, spool_options.max_bytes / 8);
  auto spool = spool::Spool::open(spool_options, system_clock());
  if (!spool) return report(std::move(spool).error().during("open spool " + config.paths.spool_dir), 1);

  if (auto confined = confine_procmond(config, input, opened->held); !confined)
    return report(std::move(confined).error().during("confine procmond"), 1);
  for (const std::string& note : opened->held.notes)
    log::warn("guard", "weaker than asked", {log::field("note", note)});
  auto entered = (*ledger)->append(
      "procmond", "procmond.start",
      "{\"version\":\"" DE_VERSION "\",\"settings\":" + config::changed_settings_json(loaded.settings) + "}");
  if (entered) entered = (*ledger)->append("procmond", "privileges.held", opened->held.to_json());
  const std::string& opener_holds = opened->sources.opener_holds;
  if (entered) entered = (*ledger)->append("opener", "privileges.held", opener_holds);
  if (!entered) return report(std::move(entered).error().during("write ledger"), 1);
  log::info("procmond", "running",
            {log::field("held", opened->held.to_json()), log::field("opener_holds", opener_holds)});

  config::SettingsSource source{std::move(input), loaded.settings};
  auto monitor = Monitor::create(config, std::move(source), opened->agent_uids, std::move(opened->sources),
                                 std::move(*spool), **ledger, system_clock(), std::move(*notify));
  if (!monitor) return report(monitor.error(), 1);
  fault::let_attack("procmond");
  const Result<> ended = (*monitor)->run();
  const auto stopped = (*ledger)->append("procmond", "procmond.stop", "{}");
  if (!stopped) log::error("audit", "ledger entry failed", {log::field("reason", stopped.error().message())});
  return ended ? 0 : report(ended.error(), 1);
}

}  // namespace

int run_procmond(int argc, char** argv, const char* const* environment) {
  Flags flags;
  if (const auto exit_code = parse_flags(argc, argv, flags)) return *exit_code;
  config::LoadInput input = config::standard_input(config::Program::Procmond, environment);
  input.flags = flags.settings;
  input.explicit_file = flags.config_file;
  auto loaded = config::load_procmond(input);
  if (!loaded) return report(loaded.error(), 2);
  if (flags.print_config) {
    std::fputs(config::print_config(loaded->settings, true).c_str(), stdout);
    return 0;
  }
  if (flags.check_config) {
    for (const std::string& warning : loaded->warnings)
      std::fprintf(stderr, "procmond: warning: %s\n", warning.c_str());
    return 0;
  }
  keep_heap_small();
  ::umask(027);
  log::Options log_options;
  log_options.level = static_cast<log::Level>(loaded->value.log.level);
  log_options.json = loaded->value.log.format == config::LogFormat::Json;
  log::init(log_options);
  for (const std::string& warning : loaded->warnings) log::warn("config", "warning", {log::field("text", warning)});
  if (flags.once) return print_once(loaded->value, flags.output == "json");
  return monitor_until_signal(*loaded, std::move(input));
}

}  // namespace de::daemon
