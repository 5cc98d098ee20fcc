#include "collect/linux/process_start.h"

#include <string>

#include "collect/identity.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/proc_stat.h"
#include "collect/linux/process_reader.h"

namespace de::collect {

Result<std::uint64_t> start_of(const ProcRoot& root, std::uint32_t pid, std::string_view uid) {
  DE_TRY(dir, ProcDir::open(root.fd.get(), pid));
  std::string text;
  DE_TRY(read, dir.read("stat", text, kMaxStatBytes));
  DE_TRY(stat, parse_proc_stat(read));
  if (process_uid(root.boot_id, pid, stat.start_ticks * kTickNs) != uid)
    return fail(Errc::NotFound, "the pid belongs to another process now");
  return stat.start_ticks;
}

}  // namespace de::collect
