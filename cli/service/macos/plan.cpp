// launchd, with the two property lists of packaging/macos. Not tried on a Mac: the daemons do not run there yet.
#include "service/plan.h"

#include <string>

namespace de::service {
namespace {

constexpr const char* kLaunchctl = "/bin/launchctl";
constexpr const char* kLabels[] = {"org.daemoneye.procmond", "org.daemoneye.agent"};

std::string plist_of(const std::string& label) { return "/Library/LaunchDaemons/" + label + ".plist"; }

Plan for_each(const char* verb, bool with_plist) {
  Plan plan;
  for (const char* label : kLabels) {
    Step step = {kLaunchctl, verb};
    if (with_plist) {
      step.insert(step.end(), {"system", plist_of(label)});
    } else {
      step.push_back(std::string("system/") + label);
    }
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

}  // namespace

Plan make_plan(const Request& request) {
  switch (request.action) {
    case Action::Install:
      return for_each("bootstrap", true);
    case Action::Uninstall:
      return for_each("bootout", false);
    case Action::Start:
      return for_each("kickstart", false);
    case Action::Stop: {
      Plan plan;
      for (const char* label : kLabels)
        plan.steps.push_back({kLaunchctl, "kill", "SIGTERM", std::string("system/") + label});
      return plan;
    }
    case Action::Status:
      return for_each("print", false);
    case Action::Logs:
      break;
  }
  Step step = {"/usr/bin/tail", "-n", std::to_string(request.lines)};
  if (request.follow) step.emplace_back("-F");
  step.insert(step.end(), {"/var/log/daemoneye/procmond.log", "/var/log/daemoneye/agent.log"});
  return {{step}, {}};
}

Result<> check_host() { return {}; }

// launchctl says that its output is no interface: shown as it is.
Result<std::vector<State>> parse_status(std::string_view) { return std::vector<State>(); }

}  // namespace de::service
