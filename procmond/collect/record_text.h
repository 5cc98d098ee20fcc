// Records as texts, as they are remembered.
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <string_view>

#include "daemoneye/process.pb.h"

namespace de::collect {

// Adds to `record` what `text`, a serialised record that we made ourselves, says; so it parses.
inline void merge_text(std::string_view text, pb::ProcessRecord& record) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const std::uint8_t*>(text.data()),
                                               static_cast<int>(text.size()));
  (void)record.MergeFromCodedStream(&input);
}

}  // namespace de::collect
