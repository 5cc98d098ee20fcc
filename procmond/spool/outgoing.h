// Events on their way in and out of the spool, as the bytes they are on the wire: serialised once, when they happen.
//
// Thread: any (values).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/process.pb.h"

namespace de::spool {

// As protobuf writes numbers.
inline void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

// A message or a text as a field; nothing when it is empty.
inline void append_field(std::string& out, int number, std::string_view bytes) {
  constexpr int kLengthDelimited = 2;
  if (bytes.empty()) return;
  append_varint(out, static_cast<std::uint64_t>(number << 3 | kLengthDelimited));
  append_varint(out, bytes.size());
  out += bytes;
}

// Serialised ProcessEvents without their sequence, one behind the other.
struct EncodedEvents {
  struct Item {
    std::size_t bytes = 0;
    std::int64_t time_ms = 0;  // event_time_ms
  };
  std::string bytes;
  std::vector<Item> items;

  // What is appended to `bytes` between begin() and end() is a part of the event, and stands before the rest of it.
  void begin() { begun_ = bytes.size(); }
  void end(const pb::ProcessEvent& event) {
    (void)event.AppendToString(&bytes);  // Fails without required fields, which proto3 has not.
    items.push_back({bytes.size() - begun_, event.event_time_ms()});
  }
  void add(const pb::ProcessEvent& event) {
    begin();
    end(event);
  }
  std::size_t size() const { return items.size(); }
  bool empty() const { return items.empty(); }

 private:
  std::size_t begun_ = 0;
};

// One message for the agent: a batch of events, or a gap.
struct Outgoing {
  std::string envelope;  // A serialised Envelope with a Publish.
  std::uint64_t last_sequence = 0;
  std::size_t events = 0;  // 0: a gap.
};

}  // namespace de::spool
