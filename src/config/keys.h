// The one table of configuration keys. Parsing, environment names, `config show` and the sample file come from it; the
// default of a key is what its field in config.h starts with.
//
// Thread: any (immutable).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "slot.h"

namespace de::config {

// All programs' values at once, since they share one file. What several programs are told is here once.
struct Everything {
  Paths paths;
  LogConfig log;
  std::uint32_t scan_interval_ms = 30000;
  std::string agent_user = AgentConfig{}.user;
  std::string procmond_user = ProcmondConfig{}.user;
  ProcmondConfig procmond;
  AgentConfig agent;
  CliConfig cli;
};

using Key = Field<Everything>;

std::span<const Key> keys();
const Key* find_key(std::string_view path);
bool is_section(std::string_view path);  // "spool" is one, "spool.max_mb" is not.
constexpr Program kEveryProgram{7};      // All bits; only what looks at files without being one of them uses it.
inline bool is_for(const Key& key, Program program) {
  return (key.info.programs & static_cast<std::uint8_t>(program)) != 0;
}

// ` (did you mean "spool.max_mb"?)` or nothing.
std::string nearest_key(std::string_view path);

// "PROCMOND_", "DAEMONEYE_AGENT_", "DAEMONEYE_CLI_"; the shared prefix is kSharedPrefix.
constexpr std::string_view kSharedPrefix = "DAEMONEYE_";
std::string_view own_prefix(Program program);

// The variables that set `key`, strongest first: PROCMOND_SPOOL__MAX_MB, DAEMONEYE_SPOOL__MAX_MB. A key in the section
// named after the program is also found without it: PROCMOND_USER is procmond.user.
std::vector<std::string> env_names(const Key& key, Program program);

}  // namespace de::config
