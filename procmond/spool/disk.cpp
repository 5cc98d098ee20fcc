#include "spool/disk.h"

#include <cerrno>

namespace de::spool {

tl::unexpected<Error> disk_failure(const std::string& what, std::error_code os) {
  Errc code = Errc::Io;
  if (os == std::errc::no_space_on_device || os.value() == EDQUOT || os.value() == EFBIG) code = Errc::Exhausted;
  if (os == std::errc::permission_denied || os == std::errc::operation_not_permitted) code = Errc::Denied;
  if (os == std::errc::no_such_file_or_directory) code = Errc::NotFound;
  const char* const hint =
      code == Errc::Denied ? ": it must belong to the user that procmond runs as (give it back, or move it away)" : "";
  return fail(code, what + hint, os);
}

Result<std::string> read_range(int fd, std::uint64_t offset, std::size_t bytes) {
  std::string text(bytes, '\0');
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::pread(fd, text.data() + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return disk_failure("read spool");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

Result<> write_all(int fd, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return disk_failure("write spool");
    offset += static_cast<std::uint64_t>(wrote);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

}  // namespace de::spool
