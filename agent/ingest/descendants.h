// Who descends from a process, by the snapshot and by what happened since.
//
// Thread: that of the session.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "mirror/session.h"

namespace de::ingest {

struct Descendant {
  std::uint32_t pid = 0;
  std::string process_uid;  // 16 raw bytes.
};

// In no particular order, the process itself not among them. `session` has the snapshot loaded, and the stored events.
// Errors: those of Session::run.
Result<std::vector<Descendant>> find_descendants(mirror::Session& session, std::uint32_t pid,
                                                 const std::string& process_uid, std::size_t most);

}  // namespace de::ingest
