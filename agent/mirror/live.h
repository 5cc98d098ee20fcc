// Rows that are read when a statement asks for them: who asks finds what was read before, and is told what was not.
//
// Thread: any (values).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mirror/foreign.h"

namespace de::mirror {

struct LiveKey {
  std::string table;  // "processes.open_files"
  std::int64_t pid = 0;

  friend auto operator<=>(const LiveKey&, const LiveKey&) = default;
};

struct LiveRows {
  std::map<LiveKey, std::vector<ForeignRow>> rows;  // A process that is gone has none.
  std::map<std::string, std::string> failed;        // By table: why nothing of it could be read,
  std::map<std::string, std::string> cut;           // or why there is less than there should be.
};

}  // namespace de::mirror
