// The agent's start order: flags, configuration, account, directories, then everything else.
//
// Thread: main.
#pragma once

namespace de::daemon {

// With this alone the program ends at once, with 0: it was started to be seen.
inline constexpr const char* kCanaryFlag = "--canary";

// Exit codes: 0 ended by a signal, 1 failed, 2 usage or configuration.
int run_agent(int argc, char** argv, const char* const* environment);

}  // namespace de::daemon
