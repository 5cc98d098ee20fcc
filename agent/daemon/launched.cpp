#include "daemon/launched.h"

#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "daemon/program.h"
#include "sink/format.h"

namespace de::daemon {
namespace {

supervise::ChildOptions collector_program(const config::AgentConfig& config, const config::CollectorConfig& entry) {
  supervise::ChildOptions out;
  out.argv = {entry.path, "--state-dir", config.paths.state_dir, "--broker", config.paths.broker_socket};
  out.log_path = config.paths.state_dir + "/" + entry.id + ".log";
  return out;
}

std::string courier_url(const config::SinkConfig& entry) {
  if (entry.type != config::SinkType::Journald) return entry.url;
  return "unix://" + (entry.path.empty() ? "/run/systemd/journal/socket" : entry.path);
}

// Whoever wrote the name of a file wrong is to learn it now. Whether it can be read is for the courier to find out, at
// each of its starts: that can be mended without a restart of the agent.
Result<> check_files(const config::SinkConfig& entry) {
  const std::pair<const char*, const std::string&> files[] = {
      {"ca_file", entry.ca_file}, {"cert_file", entry.cert_file}, {"key_file", entry.key_file}};
  for (const auto& [key, path] : files) {
    std::error_code ec;
    if (path.empty() || std::filesystem::exists(path, ec) || ec) continue;
    return fail(Errc::NotFound, "sink \"" + entry.name + "\": " + key + ": there is no file " + path +
                                    "; put it there, or name the one that is");
  }
  return {};
}

Result<supervise::ChildOptions> courier_program(const std::string& path, const config::SinkConfig& entry) {
  DE_CHECK(check_files(entry));
  DE_TRY(format, sink::parse_format(config::to_text(entry.format)));
  supervise::ChildOptions out;
  out.argv = {path};
  const auto add = [&out](const char* flag, std::string_view value) {
    if (!value.empty()) out.argv.insert(out.argv.end(), {flag, std::string(value)});
  };
  add("--url", courier_url(entry));
  add("--type", config::to_text(entry.type));
  add("--content-type", sink::content_type(format));
  add("--timeout-ms", std::to_string(entry.timeout_ms));
  add("--ca-file", entry.ca_file);
  add("--token-file", entry.token_file);
  add("--cert-file", entry.cert_file);
  add("--key-file", entry.key_file);
  add("--user", entry.user);
  add("--password-file", entry.password_file);
  add("--hmac-file", entry.hmac_file);
  add("--proxy", entry.proxy);
  out.has_channel = true;
  return out;
}

}  // namespace

std::filesystem::path own_program() {
  std::error_code ec;
  return std::filesystem::read_symlink("/proc/self/exe", ec);
}

std::string find_courier() {
  const std::filesystem::path directory = own_program().parent_path();
  for (const char* place : {"daemoneye-courier", "../libexec/daemoneye/daemoneye-courier"}) {
    std::string path = (directory / place).lexically_normal().string();
    if (!directory.empty() && ::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

bool needs_courier(config::SinkType type) {
  return type == config::SinkType::Webhook || type == config::SinkType::Syslog || type == config::SinkType::Journald;
}

Result<Launched> launch(const config::AgentConfig& config) {
  Launched out;
  std::vector<supervise::ChildOptions> programs;
  for (const config::CollectorConfig& entry : config.collectors) {
    if (!entry.enabled || entry.path.empty()) continue;
    out.collectors[entry.id] = programs.size();
    programs.push_back(collector_program(config, entry));
  }
  const std::string courier = find_courier();
  for (const config::SinkConfig& sink : config.sinks) {
    if (!needs_courier(sink.type)) continue;
    if (courier.empty())
      return fail(Errc::NotFound, "sink \"" + sink.name +
                                      "\" needs the program daemoneye-courier, which is neither beside the agent nor "
                                      "in ../libexec/daemoneye: install the package again");
    out.couriers[sink.name] = programs.size();
    DE_TRY(program, courier_program(courier, sink));
    programs.push_back(std::move(program));
  }
  if (const std::string self = own_program().string(); !self.empty() && config.canary_interval_secs > 0) {
    out.canary = programs.size();
    programs.emplace_back().argv = {self, kCanaryFlag};
  }
  if (programs.empty()) return out;
  DE_TRY(launcher, supervise::Launcher::fork(std::move(programs)));
  out.launcher = std::move(launcher);
  return out;
}

}  // namespace de::daemon
