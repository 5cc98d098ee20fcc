// What `daemoneye-cli service` does, as programs of the operating system to run in turn. Where the two daemons are
// looked after by whom is known here only: one plan.cpp for each operating system.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::service {

enum class Action : std::uint8_t { Install, Uninstall, Start, Stop, Status, Logs };
std::string_view to_text(Action action);

struct Request {
  Action action = Action::Status;
  std::uint32_t lines = 50;  // Of Logs.
  bool follow = false;       // Likewise.
};

// A program by its full path, and its arguments.
using Step = std::vector<std::string>;

struct Plan {
  std::vector<Step> steps;
  std::string done;  // What to tell the operator afterwards; may be empty.
};
Plan make_plan(const Request& request);

// Whether this host has the service manager the plans are for. Errors: Unsupported, with what to do.
Result<> check_host();

// The services as Status' last step printed them.
struct State {
  std::string unit;
  std::string active;   // "active", "inactive", "failed", ...
  std::string enabled;  // "enabled", "disabled"; empty when it is not installed.
  std::uint64_t pid = 0;
  std::uint64_t restarts = 0;
  std::string since;
  std::string status;  // What the daemon says of itself.
};
// Errors: Corrupt.
Result<std::vector<State>> parse_status(std::string_view printed);

}  // namespace de::service
