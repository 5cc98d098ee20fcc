#include "daemoneye/base/service_notify.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace de {
namespace {

constexpr std::size_t kMaxStatusBytes = 256;
constexpr std::int64_t kNsPerUs = 1'000;

std::string take_variable(const char* name) {
  const char* found = std::getenv(name);
  std::string value = found != nullptr ? found : "";
  (void)::unsetenv(name);  // Fails only for names that are none.
  return value;
}

std::int64_t parse_number(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  return ec == std::errc{} && end == text.data() + text.size() ? number : 0;
}

bool connect_to(int socket, const std::string& address) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address.data(), address.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&to), size) == 0;
}

}  // namespace

Result<ServiceNotify> ServiceNotify::from_environment() {
  ServiceNotify notify;
  notify.address_ = take_variable("NOTIFY_SOCKET");
  const std::int64_t watchdog_us = parse_number(take_variable("WATCHDOG_USEC"));
  const std::string watched_pid = take_variable("WATCHDOG_PID");
  std::string& address = notify.address_;
  if (address.empty()) return notify;
  if ((address[0] != '/' && address[0] != '@') || address.size() < 2 || address.size() >= sizeof(sockaddr_un::sun_path))
    return fail(Errc::Invalid, "NOTIFY_SOCKET is no address of a socket: \"" + address +
                                   "\"; it is the service manager that sets it, unset it elsewhere");
  const std::string shown = address;
  if (address[0] == '@') address[0] = '\0';
  notify.socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!notify.socket_) return fail(Errc::Io, "make a socket for the service manager", last_os_error());
  if (!connect_to(notify.socket_.get(), address))
    return fail(Errc::Io, "connect to the service manager at NOTIFY_SOCKET=" + shown, last_os_error());
  if (watchdog_us > 0 && (watched_pid.empty() || parse_number(watched_pid) == ::getpid()))
    notify.watchdog_ns_ = watchdog_us * kNsPerUs;
  return notify;
}

void ServiceNotify::ready() {
  if (!is_ready_) send("READY=1");
  is_ready_ = true;
}

void ServiceNotify::status(std::string_view text) {
  std::string line(text.substr(0, kMaxStatusBytes));
  std::ranges::replace(line, '\n', ' ');
  if (line == status_) return;
  status_ = std::move(line);
  send("STATUS=" + status_);
}

void ServiceNotify::alive(std::int64_t now_ns) {
  if (watchdog_ns_ == 0 || (alive_ns_ != 0 && now_ns - alive_ns_ < watchdog_ns_ / 4)) return;
  alive_ns_ = now_ns;
  send("WATCHDOG=1");
}

void ServiceNotify::stopping() { send("STOPPING=1"); }

// Never waits: a manager that does not read must not stop the monitor. What is lost is said again soon enough.
void ServiceNotify::send(std::string_view message) {
  if (!socket_) return;
  if (::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return;
  if (errno != ECONNREFUSED && errno != ENOTCONN) return;
  if (connect_to(socket_.get(), address_))
    (void)::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);  // Lost: see above.
}

}  // namespace de
