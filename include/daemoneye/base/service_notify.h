// What the service manager that started us is told: that we are ready, what we do, that we are alive, that we stop. The
// protocol is systemd's: datagrams to $NOTIFY_SOCKET. Without a service manager every call does nothing.
//
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de {

class ServiceNotify {
 public:
  ServiceNotify() = default;

  // Connects while that is still allowed; afterwards no other socket is needed. Takes the variables out of the
  // environment: what we start has nothing to tell. Before any thread.
  // Errors: Invalid (no address), Io. A manager that hears nothing would end us later without saying why.
  static Result<ServiceNotify> from_environment();

  bool is_connected() const { return static_cast<bool>(socket_); }
  // 0: nobody waits for alive().
  std::int64_t watchdog_ns() const { return watchdog_ns_; }

  // Once, from when on requests are answered.
  void ready();
  // One line for a person; sent only when it is another one.
  void status(std::string_view text);
  // Called as often as one likes; sent four times within the watchdog's time.
  void alive(std::int64_t now_ns);
  void stopping();

 private:
  void send(std::string_view message);

  UniqueFd socket_;
  std::string address_;  // To connect again to a manager that was replaced; a leading NUL is an abstract one.
  std::string status_;
  std::int64_t watchdog_ns_ = 0;
  std::int64_t alive_ns_ = 0;
  bool is_ready_ = false;
};

}  // namespace de
