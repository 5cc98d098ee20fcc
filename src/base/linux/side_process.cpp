#include "daemoneye/base/side_process.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace de {
namespace {

// Both ends of one message: its bytes, and room for one descriptor.
struct Envelope {
  explicit Envelope(std::span<char> bytes) : part{bytes.data(), bytes.size()} {
    head.msg_iov = &part;
    head.msg_iovlen = 1;
    head.msg_control = control;
    head.msg_controllen = sizeof control;
  }
  iovec part;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr head{};
};

tl::unexpected<Error> io_error(const char* step) {
  const std::error_code error = last_os_error();
  if (error == std::errc::broken_pipe || error == std::errc::connection_reset)
    return fail(Errc::Closed, "the other end is gone");
  if (error == std::errc::resource_unavailable_try_again) return fail(Errc::Timeout, step);
  return fail(Errc::Io, step, error);
}

UniqueFd descriptor_of(msghdr& message) {
  UniqueFd out;
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int)))
      continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
    out.reset(fd);
  }
  return out;
}

}  // namespace

Result<Channel> make_channel() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail(Errc::Io, "make a channel", last_os_error());
  return Channel{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<> send_packet(int socket, std::span<const char> bytes, int fd) {
  Envelope out(std::span(const_cast<char*>(bytes.data()), bytes.size()));
  if (fd >= 0) {
    cmsghdr* head = CMSG_FIRSTHDR(&out.head);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  } else {
    out.head.msg_control = nullptr;
    out.head.msg_controllen = 0;
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &out.head, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return io_error("send");
  return {};
}

Result<Packet> receive_packet(int socket, std::size_t max_bytes) {
  Packet out;
  out.bytes.resize(max_bytes);
  Envelope in(out.bytes);
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &in.head, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return io_error("receive");
  out.fd = descriptor_of(in.head);
  if (got == 0) return fail(Errc::Closed, "the other end is gone");
  if ((in.head.msg_flags & MSG_TRUNC) != 0) return fail(Errc::TooLarge, "receive: too long");
  out.bytes.resize(static_cast<std::size_t>(got));
  return out;
}

Result<> await_channel(int socket, Ready ready, std::chrono::steady_clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd waiting{socket, static_cast<short>(ready == Ready::Reading ? POLLIN : POLLOUT), 0};
    const int found = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (found == 0) return fail(Errc::Timeout, "the other end does not answer");
    if (found > 0 || errno != EINTR) return {};  // Whatever else is wrong, reading or writing then says.
  }
}

void become_side_process(const char* name, std::vector<int> kept) {
  (void)::prctl(PR_SET_NAME, name, 0UL, 0UL, 0UL);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) (void)std::signal(number, SIG_IGN);
  std::sort(kept.begin(), kept.end());
  unsigned next = 3;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > next) (void)::syscall(SYS_close_range, next, number - 1, 0U);
    next = number + 1;
  }
  (void)::syscall(SYS_close_range, next, ~0U, 0U);  // A kernel before 5.9 has none; all of ours are close-on-exec.
}

}  // namespace de
