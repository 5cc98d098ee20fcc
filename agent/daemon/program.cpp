#include "daemon/program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "daemon/agent.h"
#include "daemon/command_line.h"
#include "daemon/confine.h"
#include "daemoneye/base/account.h"
#include "daemoneye/base/fault.h"
#include "daemoneye/base/heap.h"
#include "daemoneye/base/service_notify.h"
#include "daemoneye/guard/guard.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

int report(const Error& error, int code) {
  std::fprintf(stderr, "daemoneye-agent: %s\n", error.message().c_str());
  return code;
}

struct Settled {
  AgentIdentity identity;
  guard::Held held;
  Launched launched;
};

// The accounts that the configuration names for single collectors.
Result<> name_collectors(const config::AgentConfig& config, AgentIdentity& identity) {
  for (const config::CollectorConfig& entry : config.collectors) {
    if (entry.user.empty()) continue;
    auto account = find_account(entry.user);
    if (!account) return fail(std::move(account).error().during("collectors: user of \"" + entry.id + "\""));
    identity.users_of_collectors[entry.id] = account->uid;
    identity.collector_uids.push_back(account->uid);
  }
  return {};
}

// Everything before the first thread: who we are, what starts programs for us, which files we reach.
Result<Settled> settle(const config::AgentConfig& config, const config::LoadInput& input) {
  const bool is_root = ::geteuid() == 0;
  Settled out;
  AgentIdentity& identity = out.identity;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) identity.host = host.data();
  identity.readers = find_group(config.control.readers);
  identity.admins = find_group(config.control.admins);
  identity.collector_uids.push_back(0);
  Account self{::geteuid(), ::getegid()};
  if (is_root) {
    auto found = find_account_or(config.user, config.paths.is_private, kPrivateAgentUid);
    if (!found) return fail(std::move(found).error());
    self = *found;
    // While still root: the directory may lie where the account cannot create it.
    DE_CHECK(own_directory(config.paths.state_dir, self, 0711));
  }
  if (const auto procmond = find_account_or(config.procmond_user, config.paths.is_private, kPrivateProcmondUid))
    identity.collector_uids.push_back(procmond->uid);
  identity.collector_uids.push_back(self.uid);
  DE_CHECK(name_collectors(config, identity));
  guard::GuardOptions options;
  options.uid = self.uid;
  options.gid = self.gid;
  auto held = guard::drop(options);
  if (!held) return fail(std::move(held).error().during("drop privileges"));
  out.held = std::move(*held);
  if (!is_root) DE_CHECK(own_directory(config.paths.state_dir, self, 0711));
  DE_TRY(launched, launch(config));
  out.launched = std::move(launched);
  identity.system = host::read_system("/etc");
  DE_CHECK(confine_files(config, input, out.held));
  return out;
}

// Recordings touch nothing that belongs to this host: its store, its collectors, its sinks.
Result<> be_for_replay(config::AgentConfig& config) {
  if (!config.paths.is_private) return fail(Errc::Invalid, "--replay needs a directory of its own: --state-dir DIR");
  config.replay = true;
  config.canary_interval_secs = 0;
  config.commit_delay_ms = 0;
  config.collectors.clear();
  config.sinks.clear();
  return {};
}

Result<> run(config::LoadInput input, const config::Loaded<config::AgentConfig>& loaded) {
  DE_TRY(notify, ServiceNotify::from_environment());
  DE_TRY(settled, settle(loaded.value, input));
  DE_TRY(agent, Agent::bring_up(loaded.value, {std::move(input), loaded.settings}, std::move(settled.identity),
                                std::move(settled.launched), system_clock(), std::move(notify)));
  // Not earlier: the store is looked through by a process of its own.
  DE_CHECK(confine_syscalls(settled.held));
  for (const std::string& note : settled.held.notes)
    log::warn("guard", "weaker than asked", {log::field("note", note)});
  agent->note_privileges(settled.held.to_json());
  fault::let_attack("agent");
  return agent->run();
}

}  // namespace

int run_agent(int argc, char** argv, const char* const* environment) {
  Flags flags;
  if (const auto exit_code = parse_flags(argc, argv, flags)) return *exit_code;
  config::LoadInput input = config::standard_input(config::Program::Agent, environment);
  input.flags = flags.settings;
  input.explicit_file = flags.config_file;
  auto loaded = config::load_agent(input);
  if (!loaded) return report(loaded.error(), 2);
  if (flags.replay) {
    if (const auto fits = be_for_replay(loaded->value); !fits) return report(fits.error(), 2);
  }
  if (flags.print_config) {
    std::fputs(config::print_config(loaded->settings, true).c_str(), stdout);
    return 0;
  }
  if (flags.check_config) {
    for (const std::string& warning : loaded->warnings)
      std::fprintf(stderr, "daemoneye-agent: warning: %s\n", warning.c_str());
    return 0;
  }

  // Few arenas and an early trim: the messages of one scan must not stay as memory until the next.
  keep_heap_small();
  ::umask(027);
  log::Options log_options;
  log_options.level = static_cast<log::Level>(loaded->value.log.level);
  log_options.json = loaded->value.log.format == config::LogFormat::Json;
  log::init(log_options);
  for (const std::string& warning : loaded->warnings) log::warn("config", "warning", {log::field("text", warning)});
  const Result<> ended = run(std::move(input), *loaded);
  return ended ? 0 : report(ended.error(), 1);
}

}  // namespace de::daemon
