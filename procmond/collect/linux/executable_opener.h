// Opens what processes run. Opening a file can wait for whoever serves its file system, so a watched thread does it.
//
// Thread: any; one waits for another.
#pragma once

#include <cstdint>
#include <string>

#include "collect/linux/proc_root.h"
#include "collect/linux/watched_calls.h"
#include "collect/process_source.h"

namespace de::collect {

class ExecutableOpener {
 public:
  explicit ExecutableOpener(SharedProcRoot root);

  // As ProcessSource has them. Errors besides: Timeout.
  Result<Executable> open_of(std::uint32_t pid, std::string_view process_uid);
  Result<Executable> open_path(const std::string& path);

  std::uint32_t stuck() const { return calls_.stuck(); }
  std::uint64_t timeouts() const { return calls_.timeouts(); }

 private:
  WatchedCalls calls_;
};

}  // namespace de::collect
