#include "small_disk.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <utility>

namespace de::system_test {

SmallDisk::SmallDisk(std::string path, uid_t owner, std::uint32_t megabytes) : path_(std::move(path)) {
  static const bool is_alone =
      ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!is_alone || ::mkdir(path_.c_str(), 0700) != 0) return;
  const std::string options = "mode=0700,uid=" + std::to_string(owner) + ",gid=" + std::to_string(owner) +
                              ",size=" + std::to_string(megabytes) + "m";
  mounted_ = ::mount("de-test", path_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) == 0;
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
}

std::uint64_t SmallDisk::free_bytes() const {
  struct statvfs fs {};
  return ::statvfs(path_.c_str(), &fs) == 0 ? static_cast<std::uint64_t>(fs.f_bavail) * fs.f_frsize : 0;
}

void SmallDisk::fill(std::uint64_t spare_bytes) {
  const int fd = ::open(filler().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0) return;
  // What the daemons gave up meanwhile is taken as well.
  off_t size = info.st_size;
  while (free_bytes() > spare_bytes) {
    constexpr off_t kPage = 4096;
    if (::posix_fallocate(fd, size, kPage) != 0) break;
    size += kPage;
  }
  ::close(fd);
}

void SmallDisk::make_room() { ::unlink(filler().c_str()); }

}  // namespace de::system_test
