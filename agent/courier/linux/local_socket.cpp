#include "courier/local_socket.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "courier/connection.h"

namespace de::courier {
namespace {

Errc kind_of_connect(int error) {
  if (error == ENOENT) return Errc::NotFound;
  if (error == ECONNREFUSED) return Errc::Closed;
  return error == EACCES || error == EPERM ? Errc::Denied : Errc::Io;
}

Result<> send_descriptor(int socket, int fd) {
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  if (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) return fail(Errc::Io, "hand over a file", last_os_error());
  return {};
}

}  // namespace

Result<std::unique_ptr<LocalSocket>> LocalSocket::open(const LocalOptions& options) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (options.path.empty() || options.path.size() >= sizeof address.sun_path)
    return fail(Errc::Invalid, "the path of a socket has 1 to 107 bytes, not \"" + options.path + "\"");
  std::memcpy(address.sun_path, options.path.data(), options.path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail(Errc::Io, "make a socket", last_os_error());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(kind_of_connect(errno), "socket " + options.path, last_os_error());
  return std::unique_ptr<LocalSocket>(new LocalSocket(options, std::move(fd)));
}

Result<> LocalSocket::deliver(const parcel::Parcel& parcel) {
  const auto until = std::chrono::steady_clock::now() + options_.timeout;
  for (;;) {
    if (::send(fd_.get(), parcel.body.data(), parcel.body.size(), MSG_NOSIGNAL) >= 0) return {};
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN || error == ENOBUFS) {
      DE_CHECK(await_socket(fd_.get(), POLLOUT, until));
      continue;
    }
    if (error == EMSGSIZE && options_.takes_files) return send_file(parcel.body);
    if (error == EMSGSIZE)
      return fail(Errc::TooLarge, "socket " + options_.path + " takes no message of " +
                                      std::to_string(parcel.body.size()) + " bytes: lower max_bytes");
    const bool is_gone = error == ECONNREFUSED || error == ENOTCONN || error == ECONNRESET;
    return fail(is_gone ? Errc::Closed : Errc::Io, "socket " + options_.path,
                std::error_code(error, std::generic_category()));
  }
}

// The receiver insists on seals: nobody can change the file while it is read.
Result<> LocalSocket::send_file(const std::string& body) {
  const UniqueFd file(::memfd_create("alert", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return fail(Errc::Io, "make a file in memory", last_os_error());
  std::string_view rest = body;
  while (!rest.empty()) {
    const ssize_t written = ::write(file.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(Errc::Io, "write a file in memory", last_os_error());
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
    return fail(Errc::Io, "seal a file in memory", last_os_error());
  return send_descriptor(fd_.get(), file.get());
}

}  // namespace de::courier
