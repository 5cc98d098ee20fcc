#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string>

#include "collect/books.h"
#include "collect/linux/proc_dir.h"
#include "daemoneye/base/unique_fd.h"

namespace de::collect {

Result<std::uint64_t> read_clone_total() {
  const UniqueFd file(::open("/proc/stat", O_RDONLY | O_CLOEXEC));
  if (!file) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), "open /proc/stat", os);
  }
  // A line for each processor and each interrupt comes before it.
  std::string text(64UL << 10, '\0');
  std::size_t used = 0;
  for (;;) {
    const ssize_t got = ::read(file.get(), text.data() + used, text.size() - used);
    if (got < 0) return fail(Errc::Io, "read /proc/stat", last_os_error());
    used += static_cast<std::size_t>(got);
    if (got == 0 || used > (4UL << 20)) break;
    if (used == text.size()) text.resize(text.size() * 2);
  }
  text.resize(used);
  constexpr std::string_view kLine = "\nprocesses ";
  const std::size_t at = text.find(kLine);
  std::uint64_t total = 0;
  const char* const end = text.data() + text.size();
  if (at == text.npos || std::from_chars(text.data() + at + kLine.size(), end, total).ec != std::errc{})
    return fail(Errc::Corrupt, "/proc/stat: no line \"processes\"");
  return total;
}

}  // namespace de::collect
