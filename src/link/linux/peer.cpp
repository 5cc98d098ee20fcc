// SO_PEERCRED and SO_PEERGROUPS: credentials at the time of connect() (of the dialling side) or listen() (of the
// other), from the kernel. A process that dropped privileges after connecting still shows what it was.
#include <sys/socket.h>

#include "../endpoint.h"

namespace de::link {
namespace {

constexpr std::size_t kMaxGroups = 65'536;  // NGROUPS_MAX of the kernel.
constexpr std::size_t kUsualGroups = 32;    // Enough to need one call for almost everybody.

// Errors: Io.
Result<std::vector<gid_t>> groups_of(int socket) {
  std::vector<gid_t> groups(kUsualGroups);
  // Twice at most: the kernel answers ERANGE with the size it needs, and the list of a connection never changes.
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool complete = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
    const std::error_code os = last_os_error();
    const std::size_t count = size / sizeof(gid_t);
    if (complete) {
      groups.resize(count);
      return groups;
    }
    if (os == std::errc::no_protocol_option) return std::vector<gid_t>();  // Before Linux 4.13: the primary group only.
    if (os != std::errc::result_out_of_range || count > kMaxGroups) return fail(Errc::Io, "groups of the peer", os);
    groups.resize(count);
  }
  return fail(Errc::Io, "groups of the peer changed");
}

Result<ucred> credentials_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return fail(Errc::Io, "credentials of the peer", last_os_error());
  return credentials;
}

}  // namespace

Result<uid_t> uid_of(int socket) {
  DE_TRY(credentials, credentials_of(socket));
  return credentials.uid;
}

Result<Peer> peer_of(int socket) {
  DE_TRY(credentials, credentials_of(socket));
  DE_TRY(groups, groups_of(socket));
  return Peer{credentials.uid, credentials.gid, credentials.pid, std::move(groups)};
}

}  // namespace de::link
