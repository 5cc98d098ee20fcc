// What syslog and the journal call the severity of an alert.
//
// Thread: any (pure function).
#pragma once

#include "daemoneye/alert.pb.h"

namespace de::sink {

// 2 critical, 3 error, 4 warning, 5 notice. Never 0 or 1, which interrupt everybody who is logged in.
constexpr unsigned severity_code(pb::Severity severity) {
  switch (severity) {
    case pb::SEVERITY_CRITICAL:
      return 2;
    case pb::SEVERITY_HIGH:
      return 3;
    case pb::SEVERITY_MEDIUM:
      return 4;
    default:
      return 5;
  }
}

}  // namespace de::sink
