// Records as texts, as they are remembered.
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <string_view>

#include "daemoneye/process.pb.h"

namespace de::collect {

// Adds to `message` what `text`, one of its kind that we serialised ourselves, says; so it parses.
template <class Message>
void merge_text(std::string_view text, Message& message) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const std::uint8_t*>(text.data()),
                                               static_cast<int>(text.size()));
  (void)message.MergeFromCodedStream(&input);
}

}  // namespace de::collect
