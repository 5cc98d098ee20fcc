// What the fields of one sink do not go together with.
//
// Thread: any (pure function).
#pragma once

#include <string>

#include "daemoneye/config/config.h"

namespace de::config {

// What is wrong, to be read behind the name of the sink, and what to do; empty: all is well.
std::string fault_of(const SinkConfig& sink);

}  // namespace de::config
