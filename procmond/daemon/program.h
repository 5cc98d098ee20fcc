// procmond's start order: configuration, open what needs root, drop for good, verify, then everything else.
//
// Thread: main.
#pragma once

namespace de::daemon {

// Exit codes: 0 ended by a signal or --once done, 1 failed, 2 usage or configuration.
int run_procmond(int argc, char** argv, const char* const* environment);

}  // namespace de::daemon
