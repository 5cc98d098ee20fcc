// A syslog server over a network: UDP (RFC 5426), TCP with octet counts (RFC 6587) or TLS (RFC 5425). A parcel is one
// message, with its headers.
//
// Syslog has no answers. A message counts as delivered over TCP and TLS when the server's kernel has acknowledged all
// of it and the connection is still open then; over UDP when it has left, and nobody has refused it yet.
//
// Thread: one.
#pragma once

#include <chrono>
#include <memory>

#include "courier/destination.h"
#include "courier/place.h"
#include "courier/tls.h"
#include "daemoneye/base/unique_fd.h"

namespace de::courier {

struct SyslogServerOptions {
  Place place{};                              // udp://, tcp:// or tls://.
  TlsOptions tls{};                           // But for the host, which is that of the place.
  std::chrono::milliseconds timeout{10'000};  // For all of one delivery.
};

class SyslogServer final : public Destination {
 public:
  // Errors: those of Tls::open().
  static Result<std::unique_ptr<SyslogServer>> open(SyslogServerOptions options);

  Needs needs() const override;
  Result<> deliver(const parcel::Parcel& parcel) override;

 private:
  explicit SyslogServer(SyslogServerOptions options) : options_(std::move(options)) {}
  Result<> connect(Deadline until);
  Result<> check_still_open();
  Result<> send_datagram(const std::string& message, Deadline until);
  Result<> send_stream(const std::string& message, Deadline until);

  const SyslogServerOptions options_;
  UniqueFd fd_;               // Closed: not connected.
  std::unique_ptr<Tls> tls_;  // Of tls:// only. Last: its session ends before the socket.
};

}  // namespace de::courier
