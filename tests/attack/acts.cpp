#include "acts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace de::attack {
namespace {

int outcome(long result) { return result < 0 ? errno : 0; }

int opened(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  const int result = outcome(fd);
  if (fd >= 0) ::close(fd);
  return result;
}

int read_some(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  const int result = fd < 0 ? errno : outcome(::read(fd, &byte, 1));
  if (fd >= 0) ::close(fd);
  return result;
}

std::string in(const Target& target, const char* name) { return target.dir + "/" + name; }
std::string of(const Target& target, const char* name) { return "/proc/" + std::to_string(target.victim) + "/" + name; }

int talked(int family, int type, const Target& target) {
  const int fd = ::socket(family, type, 0);
  if (fd < 0) return errno;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(target.port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(target.port);
  v6.sin6_addr = in6addr_loopback;
  const auto* to = family == AF_INET ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  int result = outcome(::connect(fd, to, family == AF_INET ? sizeof v4 : sizeof v6));
  if (result == 0) result = outcome(::send(fd, "x", 1, MSG_NOSIGNAL));
  ::close(fd);
  return result;
}

int made_socket(int family, int type, int protocol) {
  const int fd = ::socket(family, type, protocol);
  const int result = outcome(fd);
  if (fd >= 0) ::close(fd);
  return result;
}

// ---- Files ----

int read_shadow(const Target&) { return read_some("/etc/shadow"); }
int read_secret(const Target& target) { return read_some(in(target, "secret")); }
int read_public_file(const Target&) { return read_some("/etc/hostname"); }
int list_home(const Target&) { return opened("/root", O_RDONLY | O_DIRECTORY); }
int write_file(const Target& target) { return opened(in(target, "victim"), O_WRONLY); }
int append_to_passwd(const Target&) { return opened("/etc/passwd", O_WRONLY | O_APPEND); }
int make_file(const Target& target) {
  const int result = opened(in(target, "made"), O_WRONLY | O_CREAT);
  if (result == 0) ::unlink(in(target, "made").c_str());
  return result;
}
int make_directory(const Target& target) {
  const int result = outcome(::mkdir(in(target, "made").c_str(), 0700));
  if (result == 0) ::rmdir(in(target, "made").c_str());
  return result;
}
int make_symlink(const Target& target) {
  const int result = outcome(::symlink("/etc/shadow", in(target, "link").c_str()));
  if (result == 0) ::unlink(in(target, "link").c_str());
  return result;
}
int make_hard_link(const Target& target) {
  const int result = outcome(::link(in(target, "victim").c_str(), in(target, "hard").c_str()));
  if (result == 0) ::unlink(in(target, "hard").c_str());
  return result;
}
int make_device(const Target& target) {
  const int result = outcome(::mknod(in(target, "device").c_str(), S_IFCHR | 0600, (1 << 8) | 3));
  if (result == 0) ::unlink(in(target, "device").c_str());
  return result;
}
int rename_file(const Target& target) {
  const int result = outcome(::rename(in(target, "victim").c_str(), in(target, "moved").c_str()));
  if (result == 0) ::rename(in(target, "moved").c_str(), in(target, "victim").c_str());
  return result;
}
int remove_file(const Target& target) {
  const int result = outcome(::unlink(in(target, "victim").c_str()));
  if (result == 0) ::close(::open(in(target, "victim").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  if (result == 0) ::chmod(in(target, "victim").c_str(), 0666);
  return result;
}
int change_mode(const Target& target) { return outcome(::chmod(in(target, "victim").c_str(), 0666)); }
int change_owner(const Target& target) { return outcome(::chown(in(target, "victim").c_str(), 0, 0)); }
int cut_file(const Target& target) { return outcome(::truncate(in(target, "victim").c_str(), 0)); }
int mark_file(const Target& target) { return outcome(::setxattr(in(target, "victim").c_str(), "user.de", "x", 1, 0)); }
int back_date_file(const Target& target) {
  const timespec times[2] = {{1, 0}, {1, 0}};
  return outcome(::utimensat(AT_FDCWD, in(target, "victim").c_str(), times, 0));
}
int open_by_handle(const Target& target) {
  alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  auto* handle = reinterpret_cast<file_handle*>(room);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (::name_to_handle_at(AT_FDCWD, in(target, "victim").c_str(), handle, &mount, 0) != 0) return errno;
  const int dir = ::open(target.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return errno;
  const int fd = ::open_by_handle_at(dir, handle, O_RDONLY);
  const int result = outcome(fd);
  if (fd >= 0) ::close(fd);
  ::close(dir);
  return result;
}
int watch_file_system(const Target&) {
  const int fd = ::fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY);
  const int result = outcome(fd);
  if (fd >= 0) ::close(fd);
  return result;
}
int watch_directory(const Target&) {
  const int fd = ::inotify_init1(IN_CLOEXEC);
  const int result = outcome(fd);
  if (fd >= 0) ::close(fd);
  return result;
}
int change_root(const Target& target) { return outcome(::chroot(target.dir.c_str())); }
int change_directory(const Target&) { return outcome(::chdir("/")); }
int mount_over(const Target& target) {
  const int result = outcome(::mount("none", target.dir.c_str(), "tmpfs", 0, nullptr));
  if (result == 0) ::umount2(target.dir.c_str(), MNT_DETACH);
  return result;
}
int mount_anew(const Target&) {
  const long fd = ::syscall(SYS_fsopen, "tmpfs", 0);
  const int result = outcome(fd);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return result;
}

// ---- Programs and processes ----

int run_program(const Target&) {
  char* const argv[] = {const_cast<char*>("true"), nullptr};
  ::execve("/bin/true", argv, nullptr);
  return errno;  // In a child of the one who lets it succeed.
}
int make_process(const Target&) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  const int result = outcome(child);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return result;
}
int make_user_namespace(const Target&) { return outcome(::unshare(CLONE_NEWUSER)); }
int make_mount_namespace(const Target&) { return outcome(::unshare(CLONE_NEWNS)); }
int make_network_namespace(const Target&) { return outcome(::unshare(CLONE_NEWNET)); }
int enter_namespace(const Target& target) {
  const int fd = ::open(of(target, "ns/uts").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int result = outcome(::setns(fd, CLONE_NEWUTS));
  ::close(fd);
  return result;
}
int trace(const Target& target) {
  const int result = outcome(::ptrace(PTRACE_SEIZE, target.victim, nullptr, nullptr));
  if (result == 0) ::ptrace(PTRACE_DETACH, target.victim, nullptr, nullptr);
  return result;
}
int read_memory(const Target& target) { return read_some(of(target, "auxv")); }
int read_environment(const Target& target) { return read_some(of(target, "environ")); }
int open_memory(const Target& target) { return opened(of(target, "mem"), O_RDWR); }
int read_memory_directly(const Target& target) {
  char byte = 0;
  const iovec local{&byte, 1};
  const iovec remote{reinterpret_cast<void*>(&outcome), 1};
  const int result = outcome(::process_vm_readv(target.victim, &local, 1, &remote, 1, 0));
  return result == EFAULT ? 0 : result;  // Asked and answered: there is no such address.
}
int write_memory_directly(const Target& target) {
  char byte = 0;
  const iovec local{&byte, 1};
  const iovec remote{reinterpret_cast<void*>(1), 1};
  const int result = outcome(::process_vm_writev(target.victim, &local, 1, &remote, 1, 0));
  return result == EFAULT ? 0 : result;
}
int signal_process(const Target& target) { return outcome(::kill(target.victim, SIGCONT)); }
int signal_thread(const Target& target) {
  return outcome(::syscall(SYS_tgkill, target.victim, target.victim, SIGCONT));
}
int signal_by_descriptor(const Target& target) {
  const long fd = ::syscall(SYS_pidfd_open, target.victim, 0);
  if (fd < 0) return errno;
  const int result = outcome(::syscall(SYS_pidfd_send_signal, fd, SIGCONT, nullptr, 0));
  ::close(static_cast<int>(fd));
  return result;
}
int take_descriptor(const Target& target) {
  const long fd = ::syscall(SYS_pidfd_open, target.victim, 0);
  if (fd < 0) return errno;
  const long taken = ::syscall(SYS_pidfd_getfd, fd, 0, 0);
  const int result = outcome(taken);
  if (taken >= 0) ::close(static_cast<int>(taken));
  ::close(static_cast<int>(fd));
  return result;
}
int limit_process(const Target& target) {
  rlimit limit{};
  return outcome(::prlimit(target.victim, RLIMIT_CORE, nullptr, &limit));
}
int favour_itself(const Target&) {
  const int result = outcome(::setpriority(PRIO_PROCESS, 0, -5));
  if (result == 0) ::setpriority(PRIO_PROCESS, 0, 0);
  return result;
}
int run_in_real_time(const Target&) {
  sched_param wanted{};
  wanted.sched_priority = 1;
  return outcome(::sched_setscheduler(0, SCHED_FIFO, &wanted));
}

// ---- Who it is ----

int become_root(const Target&) { return outcome(::syscall(SYS_setuid, 0)); }
int join_root_group(const Target&) { return outcome(::syscall(SYS_setgid, 0)); }
int join_groups(const Target&) {
  const gid_t group = 0;
  return outcome(::syscall(SYS_setgroups, 1, &group));
}
int act_as_root_on_files(const Target&) {
  ::syscall(SYS_setfsuid, 0);
  return ::syscall(SYS_setfsuid, -1) == 0 ? 0 : EPERM;
}
int take_capabilities(const Target&) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  data[0].effective = data[0].permitted = 1U << CAP_SYS_ADMIN;
  return outcome(::syscall(SYS_capset, &header, data));
}
int become_dumpable(const Target&) { return outcome(::prctl(PR_SET_DUMPABLE, 1UL, 0UL, 0UL, 0UL)); }
int change_personality(const Target&) { return outcome(::personality(ADDR_NO_RANDOMIZE)); }

// ---- Network ----

int connect_tcp(const Target& target) { return talked(AF_INET, SOCK_STREAM, target); }
int send_udp(const Target& target) { return talked(AF_INET, SOCK_DGRAM, target); }
int connect_tcp6(const Target& target) { return talked(AF_INET6, SOCK_STREAM, target); }
int ask_netlink(const Target&) { return made_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); }
int sniff(const Target&) { return made_socket(AF_PACKET, SOCK_RAW, 0); }
int send_raw(const Target&) { return made_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
int listen_locally(const Target& target) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = in(target, "socket");
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int result = outcome(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  if (result == 0) ::unlink(path.c_str());
  ::close(fd);
  return result;
}
int use_io_uring(const Target&) {
  alignas(8) char parameters[120] = {};
  const long fd = ::syscall(SYS_io_uring_setup, 2, parameters);
  const int result = outcome(fd);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return result;
}

// ---- The kernel ----

int load_bpf(const Target&) {
  const bpf_insn program[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attr.insns = reinterpret_cast<std::uint64_t>(program);
  attr.insn_cnt = 2;
  attr.license = reinterpret_cast<std::uint64_t>("GPL");
  const long fd = ::syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  const int result = outcome(fd);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return result;
}
int make_bpf_map(const Target&) {
  bpf_attr attr{};
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = attr.value_size = 4;
  attr.max_entries = 1;
  const long fd = ::syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);
  const int result = outcome(fd);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return result;
}
int count_events(const Target&) {
  perf_event_attr attr{};
  attr.type = PERF_TYPE_SOFTWARE;
  attr.size = sizeof attr;
  attr.config = PERF_COUNT_SW_CONTEXT_SWITCHES;
  const long fd = ::syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
  const int result = outcome(fd);
  if (fd >= 0) ::close(static_cast<int>(fd));
  return result;
}
int run_what_was_written(const Target&) {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  ::munmap(page, 4096);
  return 0;
}
int make_memory_executable(const Target&) {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  const int result = outcome(::mprotect(page, 4096, PROT_READ | PROT_EXEC));
  ::munmap(page, 4096);
  return result;
}
int make_hidden_file(const Target&) {
  const int fd = ::memfd_create("de", MFD_CLOEXEC);
  const int result = outcome(fd);
  if (fd >= 0) ::close(fd);
  return result;
}
int share_memory(const Target&) {
  const int id = ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  const int result = outcome(id);
  if (id >= 0) ::shmctl(id, IPC_RMID, nullptr);
  return result;
}
int read_kernel_log(const Target&) {
  char text[64];
  return outcome(::syscall(SYS_syslog, 3, text, sizeof text));
}
int rename_host(const Target&) {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return errno;
  return outcome(::sethostname(name, std::strlen(name)));
}
int set_clock(const Target&) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return outcome(::clock_settime(CLOCK_REALTIME, &now));
}
int reboot_machine(const Target&) { return outcome(::reboot(RB_DISABLE_CAD)); }
int take_ports(const Target&) { return outcome(::syscall(SYS_iopl, 3)); }
int keep_key(const Target&) {
  return outcome(::syscall(SYS_add_key, "user", "daemoneye-test", "x", 1, -1 /* of the thread */));
}

constexpr Act kActs[] = {
    {"read /etc/shadow", read_shadow, true},
    {"read root's file", read_secret, true},
    {"read a file anybody may read", read_public_file, true},
    {"list root's home", list_home, true},
    {"write to a file anybody may write to", write_file},
    {"append to /etc/passwd", append_to_passwd},
    {"make a file", make_file},
    {"make a directory", make_directory},
    {"make a symbolic link", make_symlink},
    {"make a hard link", make_hard_link},
    {"make a device", make_device},
    {"rename a file", rename_file},
    {"remove a file", remove_file},
    {"change a file's mode", change_mode},
    {"change a file's owner", change_owner},
    {"cut a file", cut_file},
    {"set an attribute of a file", mark_file},
    {"change a file's times", back_date_file},
    {"open a file by its handle", open_by_handle},
    {"watch the file system", watch_file_system},
    {"watch a directory", watch_directory},
    {"change the root directory", change_root},
    {"change the working directory", change_directory},
    {"mount", mount_over},
    {"mount by descriptor", mount_anew},
    {"execute a program", run_program},
    {"make a process", make_process},
    {"make a user namespace", make_user_namespace},
    {"make a mount namespace", make_mount_namespace},
    {"make a network namespace", make_network_namespace},
    {"enter a namespace", enter_namespace},
    {"trace a process", trace},
    {"read a process's auxiliary vector", read_memory, true},
    {"read a process's environment", read_environment, true},
    {"open a process's memory to write", open_memory},
    {"read a process's memory", read_memory_directly},
    {"write a process's memory", write_memory_directly},
    {"signal a process", signal_process},
    {"signal a thread", signal_thread},
    {"signal by descriptor", signal_by_descriptor},
    {"take a process's descriptor", take_descriptor},
    {"limit a process", limit_process},
    {"raise its priority", favour_itself},
    {"run in real time", run_in_real_time},
    {"become root", become_root},
    {"join root's group", join_root_group},
    {"join groups", join_groups},
    {"act as root on files", act_as_root_on_files},
    {"take a capability", take_capabilities},
    {"become dumpable", become_dumpable},
    {"turn off address randomisation", change_personality},
    {"connect over TCP", connect_tcp},
    {"send over UDP", send_udp},
    {"connect over TCP, IPv6", connect_tcp6},
    {"ask netlink", ask_netlink},
    {"sniff packets", sniff},
    {"send raw packets", send_raw},
    {"listen on a local socket", listen_locally},
    {"use io_uring", use_io_uring},
    {"load a BPF program", load_bpf},
    {"make a BPF map", make_bpf_map},
    {"count events of the machine", count_events},
    {"map memory that is written and executed", run_what_was_written},
    {"make memory executable", make_memory_executable},
    {"make a file without a name", make_hidden_file},
    {"share memory", share_memory},
    {"read the kernel's log", read_kernel_log},
    {"rename the host", rename_host},
    {"set the clock", set_clock},
    {"reboot", reboot_machine},
    {"reach I/O ports", take_ports},
    {"keep a key in the kernel", keep_key},
};

}  // namespace

std::span<const Act> acts() { return kActs; }

}  // namespace de::attack
