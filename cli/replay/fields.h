// What a field of a recorded line says about an event.
//
// Thread: any (pure functions).
#pragma once

#include <google/protobuf/struct.pb.h>

#include <cstdint>
#include <optional>
#include <string>

#include "daemoneye/base/result.h"
#include "daemoneye/process.pb.h"

namespace de::replay {

// What has no place in the event by itself.
struct Further {
  google::protobuf::Struct values;  // For `platform_data`: fields of Sigma's that are no columns.
  std::string process;              // Whatever the recorder told processes apart by,
  std::string parent;               // and their parents.
  std::optional<std::int64_t> time_ms;
};

// `name` is a column of `processes.events` or a field of Sigma's process_creation. Errors: Invalid, without the name.
Result<> take_field(const std::string& name, const google::protobuf::Value& value, pb::ProcessEvent& event,
                    Further& further);

}  // namespace de::replay
