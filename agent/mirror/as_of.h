// What statements take as the present: `unixepoch()`, `datetime('now')`, and whoever asks as_of_ms(). A rule that is
// asked about the past must not compare it with today.
//
// Thread: any; a time holds for the thread that set it.
#pragma once

#include <cstdint>
#include <optional>

namespace de::mirror {

// While alive, it is `unix_ms` for this thread; an inner one takes over until it ends.
class AsOf {
 public:
  explicit AsOf(std::int64_t unix_ms);
  ~AsOf();
  AsOf(const AsOf&) = delete;
  AsOf& operator=(const AsOf&) = delete;

 private:
  const std::optional<std::int64_t> outer_;
};

// None: now is now.
std::optional<std::int64_t> as_of_ms();

// For sqlite3_open_v2(): SQLite's own operations, but for the time. Null when it cannot be made.
const char* vfs_with_time();

}  // namespace de::mirror
