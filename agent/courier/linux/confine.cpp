#include "courier/confine.h"

#include <linux/sockios.h>
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

constexpr SyscallRule kEverywhere[] = {
    {"sendmsg", "the agent; the journal, with what is too large for a datagram"},
    {"recvmsg", "the agent"},
    {"poll", "sockets"},
    {"ppoll", "sockets"},
};

constexpr SyscallRule kOfThisHost[] = {
    {"sendto", "the socket it has"},
};

constexpr SyscallRule kOfTheJournal[] = {
    {"memfd_create", "what is too large for a datagram"},
};

constexpr SyscallRule kOfTheNetwork[] = {
    {"socket", "the server, name servers", 0, kWhole, AF_INET},
    {"socket", "the server, name servers", 0, kWhole, AF_INET6},
    {"socketpair", "libcurl wakes itself when a name is found", 0, kWhole, AF_UNIX},
    {"connect", "the server, name servers; which TCP ports Landlock says"},
    {"bind", "name servers; no TCP port, says Landlock"},
    {"setsockopt", "the server, name servers"},
    {"getsockopt", "the server"},
    {"getsockname", "the server"},
    {"getpeername", "the server"},
    {"sendto", "the server, name servers"},
    {"recvfrom", "the server, name servers"},
    {"sendmmsg", "name servers"},
    {"shutdown", "the server"},
    {"ioctl", "sockets that do not wait; how much name servers sent", 1, kWhole, FIONBIO},
    {"ioctl", "the same", 1, kWhole, FIONREAD},
    {"ioctl", "what a server has acknowledged", 1, kWhole, SIOCOUTQ},
    {"openat", "who signs certificates, names of hosts; which files Landlock says"},
    {"newfstatat", "the same"},
    {"access", "the same"},
    {"lseek", "the same"},
    {"getdents64", "the same"},
    {"pipe2", "libcurl wakes itself"},
    {"uname", "the name of the host"},
};

}  // namespace

Result<guard::Held> confine(const Needs& needs) {
  guard::GuardOptions options;
  options.uid = ::geteuid();
  options.gid = ::getegid();
  DE_TRY(held, guard::drop(options));
  held.notes.clear();  // The agent has logged them: it became what this is.
  std::vector<guard::ReachRule> paths;
  std::vector<std::uint16_t> ports;
  if (needs.network) {
    for (const char* path :
         {"/etc/ssl", "/usr/share/ca-certificates", "/usr/lib/ssl", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf",
          "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services", "/etc/localtime", "/dev/urandom", "/dev/null"})
      paths.push_back({path, Reach::Read});
    if (!needs.ca_file.empty()) paths.push_back({needs.ca_file, Reach::Read});
    ports = needs.tcp_ports;
    ports.push_back(kDns);
  }
  DE_CHECK(guard::restrict_files(paths, held, ports));
  const std::span<const SyscallRule> own = needs.network ? std::span<const SyscallRule>(kOfTheNetwork) : kOfThisHost;
  const std::array<std::span<const SyscallRule>, 4> tables = {
      guard::basic_syscalls(), kEverywhere, own,
      needs.memory_files ? std::span<const SyscallRule>(kOfTheJournal) : std::span<const SyscallRule>()};
  DE_CHECK(guard::restrict_syscalls(tables, held));
  return std::move(held);
}

}  // namespace de::courier
