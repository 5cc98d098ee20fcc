#include "courier/confine.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "daemoneye/guard/sandbox.h"

namespace de::courier {
namespace {

using guard::Reach;
using guard::SyscallRule;

constexpr std::uint64_t kWhole = ~std::uint64_t{0};
constexpr std::uint16_t kDns = 53;

constexpr SyscallRule kCourier[] = {
    {"socket", "the server, name servers", 0, kWhole, AF_INET},
    {"socket", "the server, name servers", 0, kWhole, AF_INET6},
    {"socketpair", "libcurl wakes itself when a name is found", 0, kWhole, AF_UNIX},
    {"connect", "the server, name servers; which TCP ports Landlock says"},
    {"bind", "name servers; no TCP port, says Landlock"},
    {"setsockopt", "the server, name servers"},
    {"getsockopt", "the server"},
    {"getsockname", "the server"},
    {"getpeername", "the server"},
    {"sendmsg", "the agent"},
    {"recvmsg", "the agent"},
    {"sendto", "the server, name servers"},
    {"recvfrom", "the server, name servers"},
    {"sendmmsg", "name servers"},
    {"shutdown", "the server"},
    {"poll", "sockets"},
    {"ppoll", "sockets"},
    {"ioctl", "sockets that do not wait; how much name servers sent", 1, kWhole, FIONBIO},
    {"ioctl", "the same", 1, kWhole, FIONREAD},
    {"openat", "who signs certificates, names of hosts; which files Landlock says"},
    {"newfstatat", "the same"},
    {"access", "the same"},
    {"lseek", "the same"},
    {"getdents64", "the same"},
    {"pipe2", "libcurl wakes itself"},
    {"uname", "the name of the host"},
};

}  // namespace

Result<guard::Held> confine(std::uint16_t port, const std::string& ca_file) {
  guard::GuardOptions options;
  options.uid = ::geteuid();
  options.gid = ::getegid();
  DE_TRY(held, guard::drop(options));
  held.notes.clear();  // The agent has logged them: it became what this is.
  std::vector<guard::ReachRule> paths;
  for (const char* path :
       {"/etc/ssl", "/usr/share/ca-certificates", "/usr/lib/ssl", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf",
        "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services", "/etc/localtime", "/dev/urandom", "/dev/null"})
    paths.push_back({path, Reach::Read});
  if (!ca_file.empty()) paths.push_back({ca_file, Reach::Read});
  DE_CHECK(guard::restrict_files(paths, held, std::array{port, kDns}));
  const std::array<std::span<const SyscallRule>, 2> tables = {guard::basic_syscalls(), kCourier};
  DE_CHECK(guard::restrict_syscalls(tables, held));
  return std::move(held);
}

}  // namespace de::courier
