// A value of a row as it is kept and sent.
//
// Thread: any (pure).
#pragma once

#include "daemoneye/control.pb.h"
#include "mirror/value.h"

namespace de::mirror {

// Into an empty one.
inline void put(pb::Value& to, const Value& from) {
  if (const auto* integer = std::get_if<std::int64_t>(&from)) to.set_integer(*integer);
  if (const auto* real = std::get_if<double>(&from)) to.set_real(*real);
  if (const auto* text = std::get_if<std::string_view>(&from)) to.set_text(text->data(), text->size());
  if (const auto* blob = std::get_if<Blob>(&from)) to.set_blob(blob->bytes.data(), blob->bytes.size());
}

}  // namespace de::mirror
