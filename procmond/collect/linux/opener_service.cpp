#include "collect/linux/opener_service.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "collect/linux/opener_answer.h"

namespace de::collect {
namespace {

bool send_answer(int socket, const Answer& answer) {
  iovec part{const_cast<char*>(answer.bytes.data()), answer.bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (answer.fd) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = answer.fd.get();
    std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(answer.bytes.size());
}

// Until the other end is closed, or sends what is no request: then it is not served any more.
void serve(const UniqueFd& socket, const UniqueFd& proc) {
  std::vector<char> request(kMaxRequestBytes);
  Answer out;
  for (;;) {
    ssize_t got = 0;
    do {
      got = ::recv(socket.get(), request.data(), request.size(), MSG_TRUNC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0 || static_cast<std::size_t>(got) > request.size()) break;
    if (!answer(proc.get(), std::span(request).first(static_cast<std::size_t>(got)), out)) break;
    if (!send_answer(socket.get(), out)) break;
    out.fd.reset();
  }
  ::shutdown(socket.get(), SHUT_RDWR);
}

}  // namespace

Result<> serve_opener(std::vector<UniqueFd> channels, const std::string& proc_root) {
  const auto proc =
      std::make_shared<const UniqueFd>(UniqueFd(::open(proc_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!*proc) return fail(Errc::Io, "open " + proc_root, last_os_error());
  if (channels.empty()) return {};
  try {
    for (std::size_t i = 1; i < channels.size(); ++i)
      std::thread([channel = std::make_shared<const UniqueFd>(std::move(channels[i])), proc] {
        serve(*channel, *proc);
      }).detach();
  } catch (const std::system_error& refused) {
    return fail(Errc::Io, "start the opener's threads", refused.code());
  }
  serve(channels[0], *proc);
  return {};
}

}  // namespace de::collect
