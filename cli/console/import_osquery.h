// `rules import --osquery`: queries of osquery become rule files of ours.
//
// Thread: any.
#pragma once

#include "console/answer.h"
#include "console/command.h"

namespace de::console {

// A row for each query: what it runs over, or why it does not run. Degraded when one was refused.
ExitCode import_osquery(const RulesImportCommand& command, Answer& answer, const Streams& streams);

}  // namespace de::console
