// `service`: asks the operating system's service manager, not the agent.
//
// Thread: the program's only one.
#pragma once

#include "console/answer.h"
#include "console/exit_code.h"
#include "service/plan.h"

namespace de::console {

// Changes take root; Status is Failed when a service does not run.
ExitCode run_service(const service::Request& request, bool is_root, Answer& answer, const Streams& streams);

}  // namespace de::console
