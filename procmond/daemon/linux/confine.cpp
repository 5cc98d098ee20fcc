#include "daemon/confine.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <ctime>
#include <fstream>
#include <vector>

#include "daemoneye/guard/sandbox.h"

namespace de::daemon {
namespace {

using guard::Reach;
using guard::SyscallRule;

constexpr std::uint64_t kWhole = ~std::uint64_t{0};
constexpr std::uint64_t kWritingFlags = O_ACCMODE | O_CREAT | O_TRUNC;

constexpr SyscallRule kProcmond[] = {
    {"openat", "/proc, spool, ledger, hashes; which files Landlock says"},
    {"newfstatat", "/proc, spool, ledger, hashes"},
    {"statx", "executables that descriptors or paths lead to"},
    {"fstatfs", "whether a file is served by somebody else; how full the disk is"},
    {"readlinkat", "/proc"},
    {"getdents64", "/proc, the spool's and the ledger's files"},
    {"faccessat", "whether a process is still there"},
    {"faccessat2", "whether a process is still there"},
    {"access", "account databases"},
    {"pidfd_open", "whether a pid is still the same process"},
    {"lseek", "spool, ledger"},
    {"pread64", "executables, spool, ledger"},
    {"pwrite64", "spool, ledger"},
    {"fsync", "spool, ledger, hashes"},
    {"fdatasync", "spool, ledger"},
    {"ftruncate", "torn tails"},
    {"fallocate", "room in the spool"},
    {"rename", "files written aside"},
    {"renameat", "files written aside"},
    {"unlink", "spool files that are done with"},
    {"unlinkat", "spool files that are done with"},
    {"poll", "events of the kernel, account databases"},
    {"ppoll", "the same"},
    {"epoll_create1", "sockets"},
    {"epoll_ctl", "sockets"},
    {"epoll_wait", "sockets"},
    {"epoll_pwait", "sockets"},
    {"eventfd2", "waking threads"},
    {"pipe2", "signals"},
    {"timerfd_create", "timers"},
    {"timerfd_settime", "timers"},
    {"ioctl", "sockets that do not wait", 1, kWhole, FIONBIO},
    {"socket", "the agent's local socket, account databases; no network", 0, kWhole, AF_UNIX},
    {"connect", "the same: no socket of another kind is open"},
    {"getsockopt", "who serves the agent's socket"},
    {"sendmsg", "the agent, the opener, the spare proc connector"},
    {"sendto", "the same"},
    {"recvmsg", "the same"},
    {"recvmmsg", "the same"},
    {"recvfrom", "the same"},
    {"shutdown", "the agent's socket"},
    {"uname", "the name of the host"},
    {"bpf", "a pass over all processes", 0, kWhole, BPF_ITER_CREATE},
    {"bpf", "how often a program was not run", 0, kWhole, BPF_OBJ_GET_INFO_BY_FD},
};

constexpr SyscallRule kOpener[] = {
    {"openat", "/proc and programs, for reading only", 2, kWritingFlags, O_RDONLY},
    {"newfstatat", "descriptors, namespaces, what a link leads to"},
    {"statx", "executables"},
    {"readlinkat", "exe, cwd, root"},
    {"getdents64", "how many descriptors a process has, before Linux 6.2"},
    {"recvmsg", "requests"},
    {"sendmsg", "answers"},
    {"shutdown", "a channel that sent no request"},
    {"lseek", "log"},
};

// What the C library opens once and keeps, it opens here.
void warm_up() {
  ::tzset();
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  (void)::getpwuid_r(~0U - 1, &entry, buffer.data(), buffer.size(), &found);  // Nobody: every database is asked.
}

}  // namespace

std::uint64_t needed_capabilities() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // proc(5): the fifth word is where it is mounted, the options of the file system are the last.
    if (line.find(" /proc ") == line.npos) continue;
    const auto option = line.find("hidepid=");
    if (option == line.npos) continue;
    const std::string value = line.substr(option + 8, line.find_first_of(", ", option + 8) - option - 8);
    if (value != "0" && value != "off") return std::uint64_t{1} << guard::kCapSysPtrace;
  }
  return 0;
}

Result<> confine_procmond(const config::ProcmondConfig& config, const config::LoadInput& input, guard::Held& held) {
  warm_up();
  std::vector<guard::ReachRule> paths = {
      {"/proc", Reach::Read},
      {config.paths.state_dir + "/collect", Reach::Write},
      {config.paths.spool_dir, Reach::Write},
      {config.paths.ledger_dir, Reach::Write},
      {"/etc/passwd", Reach::Read},  // Names of users, wherever they are kept.
      {"/etc/nsswitch.conf", Reach::Read},
      {"/etc/userdb", Reach::Read},
      {"/usr/lib/userdb", Reach::Read},
      {"/run/userdb", Reach::Read},
      {"/run/systemd/userdb", Reach::Read},
      {"/var/lib/sss/mc", Reach::Read},
      {"/etc/localtime", Reach::Read},
  };
  for (const std::string& dir : config::directories_of(input)) paths.push_back({dir, Reach::Read});
  if (needed_capabilities() == 0) {
    DE_CHECK(guard::restrict_files(paths, held));
  } else {
    held.notes.emplace_back(
        "/proc hides other users' processes (hidepid): CAP_SYS_PTRACE is kept, and which files are reached is not "
        "restricted");
  }
  const std::array<std::span<const SyscallRule>, 2> tables = {guard::basic_syscalls(), kProcmond};
  return guard::restrict_syscalls(tables, held);
}

Result<> confine_opener(guard::Held& held) {
  ::tzset();
  const std::array<std::span<const SyscallRule>, 2> tables = {guard::basic_syscalls(), kOpener};
  return guard::restrict_syscalls(tables, held);
}

}  // namespace de::daemon
