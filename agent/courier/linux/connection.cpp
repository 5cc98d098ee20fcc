#include "courier/connection.h"

#include <linux/sockios.h>
#include <netdb.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>

namespace de::courier {
namespace {

constexpr std::size_t kMaxChatter = 64UL << 10;  // Who says more than this has something else in mind.
constexpr std::chrono::milliseconds kLook{2};    // Between two looks at what was acknowledged.

std::error_code os_code(int error) { return {error, std::generic_category()}; }

int left_ms(Deadline until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, 600'000));
}

Errc kind_of_error(int error) {
  if (error == ECONNREFUSED || error == ECONNRESET || error == EPIPE) return Errc::Closed;
  return error == ETIMEDOUT ? Errc::Timeout : Errc::Io;
}

Result<UniqueFd> connect_address(const addrinfo& address, Deadline until) {
  UniqueFd fd(::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol));
  if (!fd) return fail(Errc::Io, "make a socket", last_os_error());
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS) return fail(kind_of_error(errno), "connect", last_os_error());
  DE_CHECK(await_socket(fd.get(), POLLOUT, until));
  if (const int error = pending_error(fd.get()); error != 0)
    return fail(kind_of_error(error), "connect", os_code(error));
  return fd;
}

}  // namespace

Result<> await_socket(int fd, short events, Deadline until) {
  for (;;) {
    pollfd one{fd, events, 0};
    const int ready = ::poll(&one, 1, left_ms(until));
    if (ready > 0) return {};
    if (ready == 0) return fail(Errc::Timeout, "timed out");
    if (errno != EINTR) return fail(Errc::Io, "wait for a socket", last_os_error());
  }
}

Result<UniqueFd> connect_to(const Place& place, int kind, Deadline until) {
  addrinfo hints{};
  hints.ai_socktype = kind;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(place.host.c_str(), std::to_string(place.port).c_str(), &hints, &found);
  if (failed != 0)
    return fail(Errc::NotFound, "Could not resolve host " + place.host + ": " + std::string(::gai_strerror(failed)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
  Result<UniqueFd> last = fail(Errc::NotFound, "host " + place.host + " has no address");
  for (const addrinfo* one = all.get(); one != nullptr; one = one->ai_next) {
    last = connect_address(*one, until);
    if (last) return last;
  }
  return last;
}

Result<> send_all(int fd, std::string_view bytes, Deadline until) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      DE_CHECK(await_socket(fd, POLLOUT, until));
    } else if (errno != EINTR) {
      return fail(kind_of_error(errno), "send", last_os_error());
    }
  }
  return {};
}

Result<> await_acknowledged(int fd, Deadline until) {
  for (;;) {
    int waiting = 0;
    if (::ioctl(fd, SIOCOUTQ, &waiting) != 0) return fail(Errc::Io, "ask what was acknowledged", last_os_error());
    if (waiting == 0) return {};
    if (std::chrono::steady_clock::now() >= until) return fail(Errc::Timeout, "what was sent is not acknowledged");
    (void)::poll(nullptr, 0, static_cast<int>(kLook.count()));  // There is no event for it.
  }
}

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

Result<> check_open(int fd) {
  std::array<char, 4'096> chatter{};
  for (std::size_t heard = 0; heard < kMaxChatter;) {
    const ssize_t got = ::recv(fd, chatter.data(), chatter.size(), MSG_DONTWAIT);
    if (got == 0) return fail(Errc::Closed, "the server has closed the connection");
    if (got > 0) {
      heard += static_cast<std::size_t>(got);
    } else if (errno == EAGAIN) {
      return {};
    } else if (errno != EINTR) {
      return fail(kind_of_error(errno), "the connection", last_os_error());
    }
  }
  return fail(Errc::Io, "what answers there is no syslog server: it says more than 64 KiB");
}

}  // namespace de::courier
