// What single processes have open. A process that does not answer is waited for no longer than any other call.
//
// Thread: any; one waits for another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "collect/linux/proc_root.h"
#include "collect/linux/watched_calls.h"
#include "collect/process_source.h"

namespace de::collect {

class FileLister {
 public:
  explicit FileLister(const SharedProcRoot& root);

  // As ProcessSource::open_files. Errors besides: Timeout.
  Result<OpenFiles> list(std::uint32_t pid, std::string_view process_uid, std::size_t limit);

  std::uint32_t stuck() const { return calls_.stuck(); }
  std::uint64_t timeouts() const { return calls_.timeouts(); }

 private:
  WatchedCalls calls_;
};

}  // namespace de::collect
