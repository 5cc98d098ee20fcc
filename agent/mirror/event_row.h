// An event as the tables show it.
//
// Thread: any (a borrowed value).
#pragma once

#include <string_view>

#include "daemoneye/process.pb.h"

namespace de::mirror {

struct EventRow {
  std::string_view collector;
  const pb::ProcessEvent* event = nullptr;
};

}  // namespace de::mirror
