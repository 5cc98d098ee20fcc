// The Service Control Manager. Not tried on Windows: the daemons do not run there yet, and do not answer it.
#include "service/plan.h"

#include <string>

namespace de::service {
namespace {

constexpr const char* kSc = "C:\\Windows\\System32\\sc.exe";
constexpr const char* kPrograms = "C:\\Program Files\\DaemonEye\\";
constexpr const char* kServices[] = {"procmond", "daemoneye-agent"};

// sc.exe takes "key=" and the value as two words.
Step create(const std::string& name) {
  return {kSc, "create", name, "binPath=", kPrograms + name + ".exe", "start=", "auto", "obj=", "NT SERVICE\\" + name};
}
Step restart_when_it_fails(const std::string& name) {
  return {kSc, "failure", name, "reset=", "86400", "actions=", "restart/1000"};
}

Plan for_each(const char* verb) {
  Plan plan;
  for (const char* name : kServices) plan.steps.push_back({kSc, verb, name});
  return plan;
}

}  // namespace

Plan make_plan(const Request& request) {
  switch (request.action) {
    case Action::Install: {
      Plan plan;
      for (const char* name : kServices) {
        plan.steps.push_back(create(name));
        plan.steps.push_back(restart_when_it_fails(name));
        plan.steps.push_back({kSc, "start", name});
      }
      return plan;
    }
    case Action::Uninstall: {
      Plan plan = for_each("stop");
      for (Step& step : for_each("delete").steps) plan.steps.push_back(std::move(step));
      return plan;
    }
    case Action::Start:
      return for_each("start");
    case Action::Stop:
      return for_each("stop");
    case Action::Status:
      return for_each("query");
    case Action::Logs:
      break;
  }
  return {{{"C:\\Windows\\System32\\wevtutil.exe", "qe", "Application", "/rd:true", "/f:text",
            "/c:" + std::to_string(request.lines), "/q:*[System[Provider[@Name='DaemonEye']]]"}},
          {}};
}

Result<> check_host() { return {}; }

// sc.exe's output is in the language of the host: shown as it is.
Result<std::vector<State>> parse_status(std::string_view) { return std::vector<State>(); }

}  // namespace de::service
