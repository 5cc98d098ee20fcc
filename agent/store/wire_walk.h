// Walks the top level of a serialized protobuf message, field by field, without knowing the message.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <string_view>

#include "store/value.h"

namespace de::store {

enum WireType : unsigned { kWireVarint = 0, kWireFixed64 = 1, kWireLength = 2, kWireFixed32 = 5 };

struct WireField {
  std::uint64_t number = 0;
  unsigned type = 0;
  std::uint64_t value = 0;   // kWireVarint only.
  std::string_view payload;  // kWireLength only.
  std::string_view whole;    // Tag and value.
};

class WireWalk {
 public:
  explicit WireWalk(std::string_view bytes) : bytes_(bytes), reader_(bytes) {}

  // False at the end or at the first byte that is not wire format (or is a group, which nobody writes since 2008).
  bool next(WireField& field) {
    if (reader_.left() == 0) return false;
    const std::size_t start = bytes_.size() - reader_.left();
    const std::uint64_t tag = reader_.varint();
    field.number = tag >> 3;
    field.type = static_cast<unsigned>(tag & 7);
    field.value = 0;
    field.payload = {};
    switch (field.type) {
      case kWireVarint:
        field.value = reader_.varint();
        break;
      case kWireFixed64:
        (void)reader_.raw(8);  // Only its length matters.
        break;
      case kWireLength:
        field.payload = reader_.bytes();
        break;
      case kWireFixed32:
        (void)reader_.raw(4);  // As above.
        break;
      default:
        reader_.refuse();
    }
    if (!reader_.ok()) return false;
    field.whole = bytes_.substr(start, bytes_.size() - reader_.left() - start);
    return true;
  }
  bool ok() const { return reader_.ok(); }

 private:
  std::string_view bytes_;
  Reader reader_;
};

}  // namespace de::store
