// The programs the agent may start, by its launcher: collectors and couriers of the configuration, and the canary,
// which is the agent's own program.
//
// Thread: main.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemoneye/config/config.h"
#include "supervise/launcher.h"

namespace de::daemon {

struct Launched {
  std::unique_ptr<supervise::Launcher> launcher;  // Null: there is nothing to start.
  std::map<std::string, std::size_t> collectors;  // Numbers at the launcher, by id,
  std::map<std::string, std::size_t> couriers;    // by name of the sink.
  std::optional<std::size_t> canary;
};

// Of this process; empty: the kernel does not say.
std::filesystem::path own_program();
// Where the package, or a build, has it; empty: nowhere.
std::string find_courier();

// Whether sinks of the type send by a program of their own.
bool needs_courier(config::SinkType type);

// Forks the launcher. Errors: NotFound (a sink needs a courier, and its program or a file is not there), those of
// Launcher::fork().
Result<Launched> launch(const config::AgentConfig& config);

}  // namespace de::daemon
