// One published snapshot: the bytes of an SQLite database that nobody changes any more.
//
// Thread: any (immutable).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "mirror/foreign.h"

namespace de::mirror {

struct Image {
  std::shared_ptr<unsigned char> bytes;  // Shared with every session that has it open; read-only by agreement.
  std::size_t size_bytes = 0;
  std::uint64_t scan_id = 0;
  std::int64_t scan_time_ms = 0;
  std::uint64_t rows = 0;
  std::uint64_t generation = 0;  // Counts the images of one mirror; 0 is the empty image before the first scan.
  std::shared_ptr<const ForeignTables> foreign;  // What other collectors tell beside it; null: nothing.
};

}  // namespace de::mirror
