// What the model told, as whoever reads the spool gets it.
#pragma once

#include <gtest/gtest.h>

#include "collect/told_events.h"

namespace de::collect {

inline EventList read_back(ToldEvents& told) {
  spool::EncodedEvents encoded;
  append_to(encoded, told);
  EventList events;
  std::size_t at = 0;
  for (const auto& item : encoded.items) {
    EXPECT_TRUE(events.Add()->ParseFromString(encoded.bytes.substr(at, item.bytes)));
    at += item.bytes;
  }
  return events;
}

}  // namespace de::collect
