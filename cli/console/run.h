// The whole of daemoneye-cli except `main`: a command line in, a result and an exit code out.
//
// Thread: the program's only one.
#pragma once

#include <sys/types.h>

#include <span>

#include "console/exit_code.h"
#include "console/text_io.h"

namespace de::console {

// Who this process was started by, and as whom it runs.
struct Identity {
  uid_t real_user;
  uid_t effective_user;
  gid_t real_group;
  gid_t effective_group;
};
Identity own_identity();

// `arguments` without the program's name. Nothing but the result goes to streams.out.
ExitCode run(std::span<const char* const> arguments, const char* const* env, const Streams& streams,
             const Identity& identity);

}  // namespace de::console
