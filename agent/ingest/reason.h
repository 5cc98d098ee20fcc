// Why an answer or an alert is not complete.
//
// Thread: any (values).
#pragma once

#include <string>
#include <utility>

#include "daemoneye/control.pb.h"

namespace de::ingest {

inline pb::Reason make_reason(const char* reason, std::string detail, const std::string& collector = {}) {
  pb::Reason out;
  out.set_reason(reason);
  out.set_collector(collector);
  out.set_detail(std::move(detail));
  return out;
}

}  // namespace de::ingest
