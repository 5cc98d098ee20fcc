#include "daemon/program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "daemon/agent.h"
#include "daemon/command_line.h"
#include "daemon/run_as.h"
#include "daemoneye/base/heap.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

int report(const Error& error, int code) {
  std::fprintf(stderr, "daemoneye-agent: %s\n", error.message().c_str());
  return code;
}

// Few arenas and an early trim: the messages of one scan must not stay as memory until the next.
Result<AgentIdentity> settle(const config::AgentConfig& config) {
  const bool is_root = ::geteuid() == 0;
  AgentIdentity identity;
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
  DE_CHECK(become(self));
  if (!is_root) DE_CHECK(own_directory(config.paths.state_dir, self, 0711));
  return identity;
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
  if (flags.print_config) {
    std::fputs(config::print_config(loaded->settings, true).c_str(), stdout);
    return 0;
  }
  if (flags.check_config) {
    for (const std::string& warning : loaded->warnings)
      std::fprintf(stderr, "daemoneye-agent: warning: %s\n", warning.c_str());
    return 0;
  }

  keep_heap_small();
  ::umask(027);
  log::Options log_options;
  log_options.level = static_cast<log::Level>(loaded->value.log.level);
  log_options.json = loaded->value.log.format == config::LogFormat::Json;
  log::init(log_options);
  for (const std::string& warning : loaded->warnings) log::warn("config", "warning", {log::field("text", warning)});
  auto identity = settle(loaded->value);
  if (!identity) return report(identity.error(), 1);
  SettingsSource source{std::move(input), std::move(loaded->settings)};
  auto agent = Agent::bring_up(std::move(loaded->value), std::move(source), std::move(*identity), system_clock());
  if (!agent) return report(agent.error(), 1);
  const Result<> ended = (*agent)->run();
  return ended ? 0 : report(ended.error(), 1);
}

}  // namespace de::daemon
