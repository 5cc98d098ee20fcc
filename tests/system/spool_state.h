// The spool's own books, read from its file as docs/storage.md describes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace de::system_test {

struct SpoolBooks {
  std::string spool_id;
  std::uint64_t acked = 0;
  std::uint64_t last_sequence = 0;
  std::uint64_t lost = 0;  // Numbers in ranges that are not acknowledged yet.
};

// Nothing while the file is being written, or not there.
std::optional<SpoolBooks> read_spool_state(const std::string& state_dir);

}  // namespace de::system_test
