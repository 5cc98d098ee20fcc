#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "collect/identity.h"
#include "collect/linux/proc_dir.h"
#include "daemoneye/base/unique_fd.h"

namespace de::collect {

Result<std::string> read_boot_id(const std::string& proc_root) {
  const UniqueFd file(::open((proc_root + "/sys/kernel/random/boot_id").c_str(), O_RDONLY | O_CLOEXEC));
  char text[64] = {};
  const ssize_t got = file ? ::read(file.get(), text, sizeof text) : -1;
  if (got < 0) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), "read boot_id", os);
  }
  std::string boot_id(text, static_cast<std::size_t>(got));
  boot_id.resize(std::min(boot_id.find('\n'), boot_id.size()));
  if (boot_id.size() != 36) return fail(Errc::Corrupt, "boot_id: not a UUID");
  return boot_id;
}

}  // namespace de::collect
