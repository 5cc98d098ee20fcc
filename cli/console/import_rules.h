// `rules import --sigma`: rules of others become rule files of ours.
//
// Thread: any.
#pragma once

#include "console/answer.h"
#include "console/command.h"

namespace de::console {

// A row for each file that was looked at: what became of it, and why. Degraded when one was refused.
ExitCode import_rules(const RulesImportCommand& command, Answer& answer, const Streams& streams);

}  // namespace de::console
