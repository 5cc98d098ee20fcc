#include "host/system_facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

#include "daemoneye/base/file_system.h"
#include "daemoneye/base/unique_fd.h"
#include "host/host_facts.h"

namespace de::host {
namespace {

using mirror::HostRow;
using schema::Cell;

constexpr std::size_t kMaxSystemFileBytes = 1UL << 20;

// The first line of a small file that says one thing.
Cell line_of(const std::string& path) {
  const auto text = read_small_file(path, kMaxSystemFileBytes);
  if (!text) return {};
  return text->substr(0, text->find('\n'));
}

struct Processor {
  Cell model, brand, microcode;
  std::int64_t logical = 0;
  std::set<std::string> sockets, cores;  // Distinct "physical id", and with "core id".
};

Processor read_processor() {
  Processor out;
  const auto text = read_small_file("/proc/cpuinfo", kMaxSystemFileBytes);
  if (!text) return out;
  std::istringstream lines(*text);
  std::string socket;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    const std::string value = colon + 2 <= line.size() ? line.substr(colon + 2) : std::string();
    if (key == "processor") ++out.logical;
    if (key == "model") out.model = value;
    if (key == "model name") out.brand = value;
    if (key == "microcode") out.microcode = value;
    if (key == "physical id") out.sockets.insert(socket = value);
    if (key == "core id") out.cores.insert(socket + "/" + value);
  }
  return out;
}

Cell counted(std::size_t value) { return value == 0 ? Cell() : Cell{static_cast<std::int64_t>(value)}; }

const char* type_of(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "regular";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFBLK:
      return "block";
    case S_IFCHR:
      return "character";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return "unknown";
  }
}

// False, with errno, when it fails. What a file server knows is not asked for: it may not answer.
bool look_at(const std::string& path, bool follow, struct statx& out) {
  const int flags = AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
  return ::statx(AT_FDCWD, path.c_str(), flags, STATX_BASIC_STATS | STATX_BTIME, &out) == 0;
}

std::string octal(std::uint32_t mode) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%04o", mode & 07777U);
  return text.data();
}

std::string target_of(const std::string& path) {
  std::array<char, 4096> target{};
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  return size <= 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
}

// Nothing is there, or the path says that nothing can be.
bool is_absence(int why) { return why == ENOENT || why == ENOTDIR || why == ENAMETOOLONG || why == ELOOP; }

tl::unexpected<Error> refusal_of(const std::string& step, int why) {
  return fail(why == EACCES || why == EPERM ? Errc::Denied : Errc::Io, step,
              std::error_code(why, std::generic_category()));
}

Result<std::string> first_bytes(int fd, std::size_t max_bytes) {
  std::string bytes(max_bytes, '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Errc::Io, "read", last_os_error());
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace

std::string stamp_of(const std::string& path) {
  struct stat at {};
  if (::stat(path.c_str(), &at) != 0) return {};
  return std::to_string(at.st_ino) + "," + std::to_string(at.st_size) + "," + std::to_string(at.st_mtim.tv_sec) + "." +
         std::to_string(at.st_mtim.tv_nsec) + ";";
}

Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Errc::Io, "read " + path, std::error_code(errno, std::generic_category()));
  std::string text(max_bytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return fail(Errc::Io, "read " + path);
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > max_bytes) return fail(Errc::TooLarge, path + " is larger than " + std::to_string(max_bytes));
  return text;
}

std::string architecture() {
  struct utsname name {};
  return ::uname(&name) == 0 ? std::string(name.machine) : std::string();
}

std::int64_t seconds_since_boot() {
  struct timespec at {};
  ::clock_gettime(CLOCK_BOOTTIME, &at);
  return at.tv_sec;
}

HostRow system_row(const std::string& etc_dir) {
  std::array<char, 256> host{};
  (void)::gethostname(host.data(), host.size() - 1);  // Empty when it fails.
  const std::string name = host.data();
  struct sysinfo memory {};
  const bool known = ::sysinfo(&memory) == 0;
  const Processor cpu = read_processor();
  const std::string dmi = "/sys/class/dmi/id/";
  return {name,
          line_of(etc_dir + "/machine-id"),
          architecture(),
          cpu.model,
          cpu.brand,
          counted(cpu.cores.size()),
          counted(static_cast<std::size_t>(cpu.logical)),
          counted(cpu.sockets.size()),
          cpu.microcode,
          known ? Cell{static_cast<std::int64_t>(memory.totalram * memory.mem_unit)} : Cell(),
          line_of(dmi + "sys_vendor"),
          line_of(dmi + "product_name"),
          line_of(dmi + "product_version"),
          Cell(),
          line_of(dmi + "board_vendor"),
          line_of(dmi + "board_name"),
          line_of(dmi + "board_version"),
          Cell(),
          name,
          name};
}

// As osquery does: a link is told as what it leads to, and as itself when that is not there.
Result<std::optional<HostRow>> file_row(const std::string& path) {
  struct statx at {};
  if (!look_at(path, false, at)) {
    const int why = errno;
    if (is_absence(why)) return std::optional<HostRow>();
    return refusal_of("look at " + path, why);
  }
  const bool is_link = S_ISLNK(at.stx_mode);
  std::string target;
  if (is_link) {
    target = target_of(path);
    struct statx behind {};
    if (look_at(path, true, behind)) at = behind;
  }
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
  const auto seconds = [](const struct statx_timestamp& time) { return Cell{std::int64_t{time.tv_sec}}; };
  const auto whole = [](std::uint64_t value) { return Cell{static_cast<std::int64_t>(value)}; };
  return std::optional<HostRow>(HostRow{path,
                                        directory,
                                        path.substr(slash + 1),
                                        whole(at.stx_ino),
                                        whole(at.stx_uid),
                                        whole(at.stx_gid),
                                        octal(at.stx_mode),
                                        whole(::makedev(at.stx_rdev_major, at.stx_rdev_minor)),
                                        whole(at.stx_size),
                                        whole(at.stx_blksize),
                                        seconds(at.stx_atime),
                                        seconds(at.stx_mtime),
                                        seconds(at.stx_ctime),
                                        (at.stx_mask & STATX_BTIME) != 0 ? seconds(at.stx_btime) : whole(0),
                                        whole(at.stx_nlink),
                                        whole(is_link ? 1 : 0),
                                        std::string(type_of(at.stx_mode)),
                                        target,
                                        Cell(),
                                        Cell()});
}

// Opened twice: what is only looked at has no driver and no writer to wake, and cannot be exchanged for a device before
// it is opened for reading, because that goes by the descriptor.
Result<std::optional<FileStart>> read_start(const std::string& path, const std::vector<std::string>& dirs,
                                            std::size_t max_bytes) {
  const UniqueFd place(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!place) {
    const int why = errno;
    if (is_absence(why)) return std::optional<FileStart>();
    return refusal_of("look at " + path, why);
  }
  struct stat at {};
  if (::fstat(place.get(), &at) != 0) return refusal_of("look at " + path, errno);
  std::optional<FileStart> found(std::in_place);
  found->type = type_of(at.st_mode);
  found->may_run = (at.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
  if (S_ISLNK(at.st_mode)) found->target = target_of(path);
  if (S_ISCHR(at.st_mode) || S_ISBLK(at.st_mode))
    found->device = std::to_string(major(at.st_rdev)) + "/" + std::to_string(minor(at.st_rdev));
  if (!S_ISREG(at.st_mode)) return found;

  const std::string same = "/proc/self/fd/" + std::to_string(place.get());
  const std::string real = target_of(same);
  if (!is_below(real, dirs))
    return fail(Errc::Denied, path + " leads to " + real + ", which is not below one of query.content_dirs");
  if (is_remote(place.get())) return fail(Errc::Denied, path + " is on a network or user-space file system");
  const UniqueFd file(::open(same.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) return refusal_of("open " + path, errno);
  auto bytes = first_bytes(file.get(), max_bytes);
  if (!bytes) return fail(std::move(bytes).error().during(path));
  found->bytes = std::move(*bytes);
  return found;
}

}  // namespace de::host
