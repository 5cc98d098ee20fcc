#include "store/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

namespace de::store {
namespace {

constexpr off_t kReserveBytes = 1 << 20;

Result<> check_ours(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail(Errc::Io, path + ": fstat", last_os_error());
  if (info.st_uid != ::geteuid())
    return fail(Errc::Denied, path + ": belongs to uid " + std::to_string(info.st_uid) + ", we are uid " +
                                  std::to_string(::geteuid()));
  if ((info.st_mode & 077) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", info.st_mode & 07777U);
    return fail(Errc::Denied, path + ": mode is " + mode + ", must be 0700");
  }
  return {};
}

Result<UniqueFd> lock_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail(Errc::Io, path, last_os_error());
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
    const std::string pid = std::to_string(::getpid()) + "\n";
    // Only for the message below: without it the other agent is refused all the same.
    if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) return fd;
    return fd;
  }
  if (errno != EWOULDBLOCK) return fail(Errc::Io, path + ": flock", last_os_error());
  char owner[16] = {};
  const ssize_t got = ::pread(fd.get(), owner, sizeof owner - 1, 0);
  std::string who;
  for (ssize_t i = 0; i < got && owner[i] >= '0' && owner[i] <= '9'; ++i) who += owner[i];
  return fail(Errc::Conflict, path + ": another agent uses this store" + (who.empty() ? "" : " (pid " + who + ")"));
}

}  // namespace

Result<Directory> Directory::open(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    const auto os = last_os_error();
    return fail(os.value() == ENOSPC ? Errc::Exhausted : Errc::Io, path + ": create directory", os);
  }
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail(Errc::Denied, path + ": open directory", last_os_error());
  DE_CHECK(check_ours(fd.get(), path));
  DE_TRY(lock, lock_file(path + "/lock"));
  return Directory(path, std::move(lock));
}

Result<> Directory::make(const std::string& name) const {
  if (::mkdir(below(name).c_str(), 0700) == 0 || errno == EEXIST) return {};
  const auto os = last_os_error();
  const bool full = os.value() == ENOSPC || os.value() == EDQUOT;
  return fail(full ? Errc::Exhausted : Errc::Io, below(name) + ": create directory", os);
}

Result<> Directory::take_reserve() {
  const std::string path = below("state/reserve");
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail(Errc::Io, path, last_os_error());
  if (const int rc = ::posix_fallocate(fd.get(), 0, kReserveBytes); rc != 0) {
    (void)::unlink(path.c_str());  // Half a reserve on a full disk only makes it fuller.
    return fail(rc == ENOSPC ? Errc::Exhausted : Errc::Io, path + ": reserve", {rc, std::generic_category()});
  }
  return {};
}

bool Directory::holds_reserve() const {
  struct stat info {};
  return ::stat(below("state/reserve").c_str(), &info) == 0 && info.st_size == kReserveBytes;
}

Result<> Directory::release_reserve() {
  const std::string path = below("state/reserve");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(Errc::Io, path + ": release", last_os_error());
  return {};
}

std::uint64_t disk_bytes_below(const std::string& path) {
  std::uint64_t total = 0;
  std::error_code ec;
  // Two levels, as the store is laid out; entries that vanish while we look count as nothing.
  for (std::filesystem::recursive_directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec)) {
    struct stat info {};
    if (::lstat(it->path().c_str(), &info) == 0) total += static_cast<std::uint64_t>(info.st_blocks) * 512;
    if (it.depth() >= 1) it.disable_recursion_pending();
  }
  return total;
}

Result<> remove_directory(const std::string& path) {
  std::error_code ec;
  for (std::filesystem::directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec)) {
    if (::unlink(it->path().c_str()) != 0 && errno != ENOENT)
      return fail(Errc::Io, it->path().string() + ": unlink", last_os_error());
  }
  if (ec) return fail(Errc::Io, path + ": list", ec);
  if (::rmdir(path.c_str()) != 0) return fail(Errc::Io, path + ": remove", last_os_error());
  return {};
}

}  // namespace de::store
