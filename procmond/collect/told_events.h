// Events as the model tells what the kernel told: what is an event's own as a message, and what it has in common with
// many others (the program it runs, its arguments, its parents) as bytes that were serialised once. A protobuf message
// whose parts stand one behind the other reads as one; what stands behind counts.
//
// Thread: any (values).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "collect/text_pool.h"
#include "daemoneye/process.pb.h"
#include "spool/outgoing.h"

namespace de::collect {

// Reused: what is cleared keeps its memory for the next events.
using EventList = google::protobuf::RepeatedPtrField<pb::ProcessEvent>;

struct ToldEvents {
  struct Common {
    TextPool::Ref place;                         // A ProcessRecord: image, owner, place.
    TextPool::Ref arguments;                     // Another, of nothing else.
    std::shared_ptr<const std::string> parents;  // A ProcessEvent of what is said about them.
  };
  EventList events;
  std::vector<Common> common;  // One for each event; what is empty stands in the event.

  // Events that were added without anything in common have nothing.
  Common& common_of_last() {
    common.resize(static_cast<std::size_t>(events.size()));
    return common.back();
  }
  void clear() {
    events.Clear();
    common.clear();
  }
};

inline void append_to(spool::EncodedEvents& out, ToldEvents& told) {
  told.common.resize(static_cast<std::size_t>(told.events.size()));
  for (int i = 0; i < told.events.size(); ++i) {
    const ToldEvents::Common& common = told.common[static_cast<std::size_t>(i)];
    out.begin();
    if (common.parents) out.bytes += *common.parents;
    for (const TextPool::Ref* part : {&common.place, &common.arguments})
      spool::append_field(out.bytes, pb::ProcessEvent::kProcessFieldNumber, part->get());
    out.end(told.events[i]);
  }
}

}  // namespace de::collect
