#include <unistd.h>

#include <filesystem>

#include "daemoneye/config/config.h"
#include "daemoneye/config/source_file.h"
#include "layers.h"

namespace de::config {
namespace {

constexpr char kSystemFile[] = "/etc/daemoneye/config.yaml";
constexpr char kUserFile[] = "daemoneye/config.yaml";

// Optional files: absence is normal, and a person may lack the right to read the daemons' file.
Result<> apply_optional(Layers& layers, const std::string& usual, Origin origin, bool may_be_denied) {
  if (usual.empty()) return {};
  DE_TRY(file, choose_source(usual));
  auto applied = layers.apply_file(file, origin);
  if (applied || applied.error().code() == Errc::NotFound) return {};
  if (applied.error().code() != Errc::Denied || !may_be_denied) return applied;
  layers.warnings().push_back("not used: " + applied.error().message());
  return {};
}

Result<Layers> load_layers(Program program, const LoadInput& input) {
  Layers layers(program, input.for_root);
  if (!input.explicit_file.empty()) {
    DE_CHECK(layers.apply_file(input.explicit_file, Origin::ExplicitFile));
  } else {
    DE_CHECK(apply_optional(layers, input.system_file, Origin::SystemFile, program == Program::Cli));
    DE_CHECK(apply_optional(layers, input.user_file, Origin::UserFile, true));
  }
  DE_CHECK(layers.apply_environment(input.env));
  DE_CHECK(layers.apply_flags(input.flags));
  DE_CHECK(layers.derive_paths());
  return layers;
}

std::string_view find_variable(const char* const* env, std::string_view name) {
  for (; env != nullptr && *env != nullptr; ++env) {
    const std::string_view variable = *env;
    if (variable.size() > name.size() && variable.starts_with(name) && variable[name.size()] == '=')
      return variable.substr(name.size() + 1);
  }
  return {};
}

}  // namespace

std::vector<std::string> source_names(const LoadInput& input) {
  if (!input.explicit_file.empty()) return {std::filesystem::absolute(input.explicit_file).string()};
  std::vector<std::string> out;
  for (const std::string& file : {input.system_file, input.user_file}) {
    if (file.empty()) continue;
    for (const std::string& name : possible_sources(std::filesystem::absolute(file).string())) out.push_back(name);
  }
  return out;
}

std::vector<std::string> directories_of(const LoadInput& input) {
  std::vector<std::string> out;
  for (const std::string& file : {input.system_file, input.user_file, input.explicit_file})
    if (!file.empty()) out.push_back(std::filesystem::absolute(file).parent_path().string());
  return out;
}

LoadInput standard_input(Program program, const char* const* env) {
  LoadInput input;
  input.env = env;
  input.system_file = kSystemFile;
  input.for_root = ::geteuid() == 0;
  if (::geteuid() == 0 && program != Program::Cli) return input;
  const std::string_view config_home = find_variable(env, "XDG_CONFIG_HOME");
  const std::string_view home = find_variable(env, "HOME");
  if (config_home.starts_with('/')) {
    input.user_file = std::string(config_home) + "/" + kUserFile;
  } else if (home.starts_with('/')) {
    input.user_file = std::string(home) + "/.config/" + kUserFile;
  }
  return input;
}

Result<Loaded<ProcmondConfig>> load_procmond(const LoadInput& input) {
  DE_TRY(layers, load_layers(Program::Procmond, input));
  Everything& all = layers.values();
  all.procmond.paths = all.paths;
  all.procmond.log = all.log;
  all.procmond.scan_interval_ms = all.scan_interval_ms;
  all.procmond.user = all.procmond_user;
  all.procmond.agent_user = all.agent_user;
  return Loaded<ProcmondConfig>{all.procmond, layers.settings(), layers.warnings()};
}

Result<Loaded<AgentConfig>> load_agent(const LoadInput& input) {
  DE_TRY(layers, load_layers(Program::Agent, input));
  Everything& all = layers.values();
  all.agent.paths = all.paths;
  all.agent.log = all.log;
  all.agent.scan_interval_ms = all.scan_interval_ms;
  all.agent.user = all.agent_user;
  all.agent.procmond_user = all.procmond_user;
  return Loaded<AgentConfig>{all.agent, layers.settings(), layers.warnings()};
}

Result<Loaded<CliConfig>> load_cli(const LoadInput& input) {
  DE_TRY(layers, load_layers(Program::Cli, input));
  Everything& all = layers.values();
  all.cli.paths = all.paths;
  return Loaded<CliConfig>{all.cli, layers.settings(), layers.warnings()};
}

}  // namespace de::config
