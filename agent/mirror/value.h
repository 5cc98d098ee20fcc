// One SQL value on its way out of, or into, a statement.
//
// Thread: any (values). Text and blobs borrow: in a row callback they die with the callback.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

namespace de::mirror {

struct Blob {
  std::string_view bytes;
  friend bool operator==(Blob a, Blob b) { return a.bytes == b.bytes; }
};

// monostate is NULL.
using Value = std::variant<std::monostate, std::int64_t, double, std::string_view, Blob>;

}  // namespace de::mirror
