// `config set`: one key of one file, with the consent of a person where it protects less afterwards.
//
// Thread: any.
#pragma once

#include <string>

#include "console/command.h"
#include "console/exit_code.h"
#include "console/text_io.h"
#include "daemoneye/config/config.h"

namespace de::console {

// `usual`: where the files are; root sets the system's, anybody else their own. Usage: the value, the file or the
// missing consent is to be corrected, and nothing was written.
ExitCode set_config(const ConfigSetCommand& command, const config::LoadInput& usual, const Streams& streams);

}  // namespace de::console
