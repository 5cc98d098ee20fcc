// The agent's start order: flags, configuration, account, directories, then everything else.
//
// Thread: main.
#pragma once

namespace de::daemon {

// Exit codes: 0 ended by a signal, 1 failed, 2 usage or configuration.
int run_agent(int argc, char** argv, const char* const* environment);

}  // namespace de::daemon
