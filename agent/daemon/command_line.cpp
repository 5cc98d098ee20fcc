#include "daemon/command_line.h"

#include <CLI/CLI.hpp>
#include <vector>

namespace de::daemon {

std::optional<int> parse_flags(int argc, char** argv, Flags& flags) {
  CLI::App app("daemoneye-agent: stores what collectors see, runs detection rules on it and delivers alerts");
  app.set_version_flag("--version", std::string("daemoneye-agent " DE_VERSION));
  bool foreground = false;
  std::string state_dir;
  std::vector<std::string> sets;
  // `--state-dir "$UNSET"` would otherwise mean the installed instance.
  const CLI::Validator given(
      [](const std::string& text) { return std::string(text.empty() ? "must not be empty" : ""); }, "");
  app.add_flag("--foreground", foreground, "Stay in the foreground (it always does; accepted for service files)");
  app.add_option("--state-dir", state_dir, "Private directory for store, sockets and alerts; created when missing")
      ->check(given);
  app.add_option("--config", flags.config_file, "Read this file instead of the system's and the user's")->check(given);
  app.add_option("--set", sets, "KEY=VALUE, as in the configuration file; may be repeated")->allow_extra_args(false);
  app.add_flag("--replay", flags.replay,
               "Take recorded events from a replay collector, and nothing else; needs a --state-dir of its own, ends "
               "when the collector leaves");
  app.add_flag("--check-config", flags.check_config, "Check the configuration and exit");
  app.add_flag("--print-config", flags.print_config, "Print the configuration with the origin of each value and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!state_dir.empty()) flags.settings["state_dir"] = state_dir;
  for (const std::string& set : sets) {
    const std::size_t equals = set.find('=');
    flags.settings[set.substr(0, equals)] = equals == std::string::npos ? "true" : set.substr(equals + 1);
  }
  return std::nullopt;
}

}  // namespace de::daemon
