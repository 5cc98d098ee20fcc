// The agent's flags.
//
// Thread: main.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace de::daemon {

struct Flags {
  std::map<std::string, std::string> settings;  // Key path -> value.
  std::string config_file;
  bool check_config = false;
  bool print_config = false;
  bool replay = false;
};

// Returns an exit code when the program is to end at once (--help, --version, wrong usage).
std::optional<int> parse_flags(int argc, char** argv, Flags& flags);

}  // namespace de::daemon
