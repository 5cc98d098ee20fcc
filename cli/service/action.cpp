#include "service/plan.h"

namespace de::service {

std::string_view to_text(Action action) {
  switch (action) {
    case Action::Install:
      return "install";
    case Action::Uninstall:
      return "uninstall";
    case Action::Start:
      return "start";
    case Action::Stop:
      return "stop";
    case Action::Status:
      return "status";
    case Action::Logs:
      break;
  }
  return "logs";
}

}  // namespace de::service
