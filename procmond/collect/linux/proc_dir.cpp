#include "collect/linux/proc_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>

namespace de::collect {
namespace {

constexpr std::size_t kFirstRead = 4096;     // Enough for nearly every file of nearly every process.
constexpr std::size_t kMaxPids = 4'194'304;  // The kernel's own PID_MAX_LIMIT.
constexpr std::size_t kMaxLink = 4096;       // PATH_MAX; the kernel prints no longer ones.

using Dir = std::unique_ptr<DIR, int (*)(DIR*)>;

Dir open_dir(int at, const char* name) {
  const int fd = ::openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = fd >= 0 ? ::fdopendir(fd) : nullptr;
  if (dir == nullptr && fd >= 0) ::close(fd);
  return {dir, &::closedir};
}

std::optional<std::uint32_t> number_of(std::string_view name) {
  std::uint32_t number = 0;
  const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), number);
  return ec == std::errc{} && end == name.data() + name.size() ? std::optional(number) : std::nullopt;
}

}  // namespace

Errc access_error(std::error_code os) {
  if (os == std::errc::no_such_file_or_directory || os == std::errc::no_such_process) return Errc::NotFound;
  if (os == std::errc::permission_denied || os == std::errc::operation_not_permitted) return Errc::Denied;
  return Errc::Io;
}

Result<std::vector<std::uint32_t>> list_pids(int proc_fd) {
  const Dir dir = open_dir(proc_fd, ".");
  if (!dir) {
    const std::error_code os = last_os_error();
    return fail(access_error(os) == Errc::Denied ? Errc::Denied : Errc::Io, "list processes", os);
  }
  std::vector<std::uint32_t> pids;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::optional<std::uint32_t> pid = number_of(entry->d_name);
    if (!pid || *pid == 0) continue;  // /proc/self, /proc/sys, ...
    if (pids.size() == kMaxPids) return fail(Errc::Io, "list processes: more than a kernel can have");
    pids.push_back(*pid);
  }
  // Half a list would read as a massacre: everything not on it would be reported as ended.
  if (errno != 0) return fail(Errc::Io, "list processes", last_os_error());
  return pids;
}

Result<ProcDir> ProcDir::open(int proc_fd, std::uint32_t pid) {
  char name[16];
  std::snprintf(name, sizeof name, "%u", pid);
  UniqueFd fd(::openat(proc_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), "open process", os);
  }
  return ProcDir(std::move(fd));
}

Result<std::string_view> ProcDir::read(const char* name, std::string& buffer, std::size_t max_bytes) const {
  const UniqueFd file(::openat(fd_.get(), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), name, os);
  }
  auto text = read_text(file.get(), buffer, max_bytes);
  if (!text) return fail(std::move(text).error().during(name));
  return text;
}

Result<std::string_view> read_text(int fd, std::string& buffer, std::size_t max_bytes) {
  std::size_t filled = 0;
  while (filled < max_bytes) {
    if (buffer.size() < filled + kFirstRead) buffer.resize(std::max(buffer.size() * 2, filled + kFirstRead));
    const std::size_t room = std::min(buffer.size(), max_bytes) - filled;
    const ssize_t got = ::read(fd, buffer.data() + filled, room);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      // ESRCH is the everyday race: the process exited between our open and our read.
      const std::error_code os = last_os_error();
      return fail(access_error(os), "read", os);
    }
    filled += static_cast<std::size_t>(got);
    // /proc fills what it can: a short read is the end, and asking again would cost as much as the first time.
    if (got == 0 || static_cast<std::size_t>(got) < std::min(room, kFirstRead)) break;
  }
  return std::string_view(buffer.data(), filled);
}

Result<std::string> ProcDir::link(const char* name) const {
  std::string target(kMaxLink, '\0');
  const ssize_t got = ::readlinkat(fd_.get(), name, target.data(), target.size());
  if (got < 0) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), name, os);
  }
  target.resize(static_cast<std::size_t>(got));
  return target;
}

std::uint64_t ProcDir::inode(const char* name) const {
  struct stat facts {};
  return ::fstatat(fd_.get(), name, &facts, 0) == 0 ? facts.st_ino : 0;
}

Result<std::uint32_t> ProcDir::count(const char* name, std::uint32_t limit) const {
  const Dir dir = open_dir(fd_.get(), name);
  if (!dir) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), name, os);
  }
  std::uint32_t entries = 0;
  while (entries < limit) {
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view entry_name = entry->d_name;
    if (entry_name != "." && entry_name != "..") ++entries;
  }
  return entries;
}

Result<std::vector<std::uint32_t>> ProcDir::numbers(const char* name, std::uint32_t from, std::size_t limit) const {
  const Dir dir = open_dir(fd_.get(), name);
  if (!dir) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), name, os);
  }
  std::vector<std::uint32_t> out;
  while (out.size() < limit) {
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::optional<std::uint32_t> number = number_of(entry->d_name);
    if (number && *number >= from) out.push_back(*number);
  }
  return out;
}

Owner ProcDir::owner() const {
  struct stat facts {};
  if (::fstat(fd_.get(), &facts) != 0) return {};
  return {facts.st_uid, facts.st_gid};
}

}  // namespace de::collect
