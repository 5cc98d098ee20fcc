// A file system that leaves whoever uses it waiting: it can be mounted, opened and closed, and nothing else is ever
// answered. Spoken by hand, so that the tests need no library for it. In a mount namespace of the test's own.
#pragma once

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace de::collect::test {

class SilentFiles {
 public:
  // Over the directory `path`. `is_mounted()` says whether that worked.
  explicit SilentFiles(std::string path) : path_(std::move(path)) {
    static const bool alone =
        ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    if (!alone) return;
    fd_ = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
    const std::string options = "fd=" + std::to_string(fd_) + ",rootmode=40000,user_id=0,group_id=0,allow_other";
    mounted_ = fd_ >= 0 && ::mount("de-silent", path_.c_str(), "fuse", MS_NODEV, options.c_str()) == 0;
    if (mounted_) server_ = std::thread([this] { serve(); });
  }
  ~SilentFiles() {
    if (mounted_) ::umount2(path_.c_str(), MNT_FORCE);  // Whoever waits gets an error, the server as well.
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    if (server_.joinable()) server_.join();
    ::close(fd_);
  }
  SilentFiles(const SilentFiles&) = delete;
  SilentFiles& operator=(const SilentFiles&) = delete;

  bool is_mounted() const { return mounted_; }
  // In a child that will wait for it: who holds this end open keeps the file system alive.
  void let_go() const { ::close(fd_); }
  // From now on nothing is answered at all.
  void fall_silent() { silent_ = true; }

 private:
  template <class Body>
  void answer(const fuse_in_header& in, const Body& body) {
    std::array<char, sizeof(fuse_out_header) + sizeof(Body)> bytes{};
    const fuse_out_header head{static_cast<std::uint32_t>(bytes.size()), 0, in.unique};
    std::memcpy(bytes.data(), &head, sizeof head);
    std::memcpy(bytes.data() + sizeof head, &body, sizeof body);
    (void)!::write(fd_, bytes.data(), bytes.size());
  }
  static fuse_attr attributes(std::uint64_t node) {
    fuse_attr attr{};
    attr.ino = node;
    attr.size = 4096;
    attr.nlink = 1;
    attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755U : S_IFREG | 0755U;
    return attr;
  }
  void serve() {
    std::array<char, 256 * 1024> request{};
    for (;;) {
      const ssize_t got = ::read(fd_, request.data(), request.size());
      if (got < 0 && (errno == EINTR || errno == ENOENT)) continue;
      if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) return;
      fuse_in_header in;
      std::memcpy(&in, request.data(), sizeof in);
      if (in.opcode == FUSE_INIT) {
        fuse_init_out out{};
        out.major = FUSE_KERNEL_VERSION;
        out.minor = 31;
        out.max_write = 4096;
        answer(in, out);
      }
      if (silent_) continue;
      if (in.opcode == FUSE_GETATTR) {
        fuse_attr_out out{};
        out.attr = attributes(in.nodeid);
        answer(in, out);
      } else if (in.opcode == FUSE_LOOKUP) {
        fuse_entry_out out{};
        // Another name is another file: one that is waited for keeps others from opening it.
        out.nodeid = FUSE_ROOT_ID + std::hash<std::string_view>()(request.data() + sizeof in) % 1'000'000 + 1;
        out.attr = attributes(out.nodeid);
        answer(in, out);
      } else if (in.opcode == FUSE_OPEN) {
        answer(in, fuse_open_out{});
      } else if (in.opcode == FUSE_FLUSH) {  // Whoever has it open could not even end otherwise.
        const fuse_out_header head{sizeof head, -ENOSYS, in.unique};
        (void)!::write(fd_, &head, sizeof head);
      }
    }
  }

  const std::string path_;
  int fd_ = -1;
  bool mounted_ = false;
  std::atomic<bool> silent_ = false;
  std::thread server_;
};

}  // namespace de::collect::test
