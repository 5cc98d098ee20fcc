// The commands about settings. They need no agent: they read the files, and the environment of whoever asks.
//
// Thread: any.
#pragma once

#include <string>

#include "console/answer.h"
#include "console/command.h"
#include "daemoneye/config/config.h"

namespace de::console {

config::Program program_of(const std::string& name);

// Settings as YAML, or as rows of `answer` when a format was asked for.
ExitCode show_config(const ConfigShowCommand& command, const config::LoadInput& input, bool as_rows, Answer& answer,
                     const Streams& streams);

// Every mistake of one file; without a file those of the usual ones, and then what keeps a program from starting with
// this environment. `usual` are the inputs of procmond, agent and cli. Usage when there is a mistake.
ExitCode validate_config(const ConfigValidateCommand& command, const std::vector<config::LoadInput>& usual,
                         bool as_rows, Answer& answer, const Streams& streams);

}  // namespace de::console
