#include "daemon/confine.h"

#include <sys/ioctl.h>

#include <array>
#include <ctime>
#include <filesystem>
#include <vector>

#include "daemoneye/guard/sandbox.h"

namespace de::daemon {
namespace {

using guard::Reach;
using guard::SyscallRule;

constexpr std::uint64_t kWhole = ~std::uint64_t{0};

constexpr SyscallRule kAgent[] = {
    {"openat", "store, rules, sinks, large answers; which files Landlock says"},
    {"newfstatat", "store, rules, sinks"},
    {"statx", "files that a statement asks for by name"},
    {"readlink", "the same"},
    {"statfs", "how full the disk is"},
    {"fstatfs", "how full the disk is, what file system the store or a file that is asked for is on"},
    {"access", "store"},
    {"faccessat", "store"},
    {"getdents64", "days of the store, rules"},
    {"lseek", "store, rules, sinks"},
    {"pread64", "store, large answers"},
    {"pwrite64", "store"},
    {"writev", "store, sockets"},
    {"pwritev", "store: LMDB"},
    {"fsync", "store, sinks"},
    {"fdatasync", "store, sinks"},
    {"ftruncate", "store"},
    {"fallocate", "room for the alert about a full disk"},
    {"flock", "one agent for one store"},
    {"mkdir", "a new day"},
    {"mkdirat", "a new day"},
    {"rename", "days set aside, rotated sinks"},
    {"renameat", "days set aside, rotated sinks"},
    {"renameat2", "days set aside, rotated sinks"},
    {"rmdir", "a day that is too old"},
    {"unlink", "a day that is too old, its sockets, names of large answers"},
    {"unlinkat", "a day that is too old, its sockets"},
    {"poll", "sockets"},
    {"ppoll", "sockets"},
    {"epoll_ctl", "sockets"},
    {"epoll_wait", "sockets"},
    {"epoll_pwait", "sockets"},
    {"timerfd_settime", "timers"},
    {"ioctl", "sockets that do not wait", 1, kWhole, FIONBIO},
    {"accept4", "collectors and consoles; its own sockets are open, and no other can be made"},
    {"connect", "a service manager that was replaced, by the socket that is open"},
    {"getsockopt", "who is on the other end"},
    {"sendmsg", "collectors, consoles, the launcher"},
    {"sendto", "the same"},
    {"recvmsg", "the same"},
    {"recvfrom", "the same"},
    {"shutdown", "its local sockets"},
    {"uname", "the name of the host"},
};

// A file is replaced by another one: it is the directory that must stay in reach.
std::string parent_of(const std::string& path) { return std::filesystem::absolute(path).parent_path().string(); }

}  // namespace

Result<> confine_files(const config::AgentConfig& config, const config::LoadInput& input, guard::Held& held) {
  ::tzset();
  std::vector<guard::ReachRule> paths = {
      {config.paths.state_dir, Reach::Sockets},
      {config.paths.store_dir, Reach::Write},
      {parent_of(config.paths.broker_socket), Reach::Sockets},
      {parent_of(config.paths.control_socket), Reach::Sockets},
      {"/proc/self", Reach::Read},    // Where its own memory lies.
      {"/dev/urandom", Reach::Read},  // SQLite.
      {"/etc/localtime", Reach::Read},
      {"/etc/passwd", Reach::Read},  // Those that are there now: what replaces them is another file.
      {"/etc/group", Reach::Read},
  };
  for (const std::string& dir : config.content_dirs) paths.push_back({dir, Reach::Read});  // For `magic`.
  for (const std::string& dir : config.paths.rules_dirs) paths.push_back({dir, Reach::Read});
  for (const config::SinkConfig& sink : config.sinks)
    if (!sink.path.empty()) paths.push_back({parent_of(sink.path), Reach::Write});
  for (const std::string& dir : config::directories_of(input)) paths.push_back({dir, Reach::Read});
  return guard::restrict_files(paths, held);
}

Result<> confine_syscalls(guard::Held& held) {
  const std::array<std::span<const SyscallRule>, 2> tables = {guard::basic_syscalls(), kAgent};
  return guard::restrict_syscalls(tables, held);
}

}  // namespace de::daemon
