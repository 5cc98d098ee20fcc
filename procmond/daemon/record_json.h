// A process record as one JSON object: the columns of `processes`, absent ones left out.
//
// Thread: any (pure).
#pragma once

#include <string>

#include "daemoneye/process.pb.h"

namespace de::daemon {

std::string to_json(const pb::ProcessRecord& record);

}  // namespace de::daemon
