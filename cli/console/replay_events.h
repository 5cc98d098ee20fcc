// `rules backtest --events`: rules tried on a recording, through an agent of its own.
//
// Thread: main. Blocks.
#pragma once

#include "console/answer.h"
#include "console/command.h"

namespace de::console {

// A row for each rule; with `each`, for each match. Degraded when a rule could not be tried.
ExitCode replay_events(const RuleBacktestCommand& command, Answer& answer, const Streams& streams);

}  // namespace de::console
