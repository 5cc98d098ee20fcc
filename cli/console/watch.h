// `watch processes`: asks for what is new, again and again, until Ctrl-C.
//
// Thread: the program's only one.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "console/command.h"
#include "console/exit_code.h"
#include "console/text_io.h"
#include "daemoneye/config/config.h"
#include "render/renderer.h"

namespace de::console {

// One event as a line for a person; `row` has the columns of `names`.
std::string event_line(std::span<const std::string> names, const pb::Row& row);

// Degraded when events were missed or the agent said that some may be; Unreachable when the agent left.
ExitCode watch_processes(const WatchCommand& command, const config::Paths& paths, render::Options options,
                         const Streams& streams, const std::function<ExitCode(const Error&)>& unconnected);

}  // namespace de::console
