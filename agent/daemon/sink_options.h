// A sink of the configuration as the sinks take it.
//
// Thread: any (pure function).
#pragma once

#include "daemoneye/config/config.h"
#include "sink/sink.h"

namespace de::daemon {

// Errors: Invalid (a format that nobody writes).
Result<sink::SinkOptions> to_options(const config::SinkConfig& entry);

}  // namespace de::daemon
