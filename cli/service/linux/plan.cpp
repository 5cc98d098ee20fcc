// systemd. The units, and what sysusers and tmpfiles read, came with the package or with install.sh; here they are put
// to use. The order of starting and stopping is in the units.
#include "service/plan.h"

#include <unistd.h>

#include <charconv>

namespace de::service {
namespace {

constexpr const char* kSystemctl = "/bin/systemctl";
constexpr const char* kCollector = "procmond.service";
constexpr const char* kAgent = "daemoneye-agent.service";

Step systemctl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kSystemctl);
  arguments.insert(arguments.end(), {kCollector, kAgent});
  return arguments;
}

Plan make_install() {
  return {{{"/bin/systemd-sysusers", "daemoneye.conf"},
           {"/bin/systemd-tmpfiles", "--create", "daemoneye.conf"},
           {kSystemctl, "daemon-reload"},
           systemctl({"enable", "--now"})},
          "both services run, and start with the host"};
}

Step journal(const Request& request) {
  Step step = {"/bin/journalctl", "--no-pager", "--output=short-iso", "--lines=" + std::to_string(request.lines)};
  if (request.follow) step.emplace_back("--follow");
  step.insert(step.end(), {"--unit", kCollector, "--unit", kAgent});
  return step;
}

std::uint64_t to_number(std::string_view text) {
  std::uint64_t number = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);  // None is 0.
  return number;
}

void assign(State& state, std::string_view key, std::string_view value) {
  if (key == "Id") state.unit = value;
  if (key == "ActiveState") state.active = value;
  if (key == "UnitFileState") state.enabled = value;
  if (key == "MainPID") state.pid = to_number(value);
  if (key == "NRestarts") state.restarts = to_number(value);
  if (key == "ActiveEnterTimestamp") state.since = value;
  if (key == "StatusText") state.status = value;
}

}  // namespace

Plan make_plan(const Request& request) {
  switch (request.action) {
    case Action::Install:
      return make_install();
    case Action::Uninstall:
      return {{systemctl({"disable", "--now"})},
              "both services are stopped and no longer start with the host; programs, settings and what was stored "
              "are still there"};
    case Action::Start:
      return {{systemctl({"start"})}, {}};
    case Action::Stop:
      return {{systemctl({"stop"})}, {}};
    case Action::Status:
      return {{systemctl({"show",
                          "--property=Id,ActiveState,UnitFileState,MainPID,NRestarts,ActiveEnterTimestamp,"
                          "StatusText"})},
              {}};
    case Action::Logs:
      break;
  }
  return {{journal(request)}, {}};
}

Result<> check_host() {
  if (::access("/run/systemd/system", F_OK) == 0) return {};
  return fail(Errc::Unsupported,
              "systemd does not run on this host: start /usr/sbin/daemoneye-agent and /usr/sbin/procmond by whatever "
              "starts services here; both stay in the foreground");
}

// KEY=VALUE lines, an empty line between two units.
Result<std::vector<State>> parse_status(std::string_view printed) {
  std::vector<State> states;
  bool is_new = true;
  while (!printed.empty()) {
    const std::size_t end = std::min(printed.find('\n'), printed.size());
    const std::string_view line = printed.substr(0, end);
    printed.remove_prefix(std::min(end + 1, printed.size()));
    if (line.empty()) {
      is_new = true;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos)
      return fail(Errc::Corrupt, "systemctl printed what is no property: " + std::string(line));
    if (is_new) states.emplace_back();
    is_new = false;
    assign(states.back(), line.substr(0, equals), line.substr(equals + 1));
  }
  return states;
}

}  // namespace de::service
