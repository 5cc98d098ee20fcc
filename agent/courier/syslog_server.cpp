#include "courier/syslog_server.h"

#include <sys/socket.h>

namespace de::courier {

Result<std::unique_ptr<SyslogServer>> SyslogServer::open(SyslogServerOptions options) {
  std::unique_ptr<Tls> tls;
  if (options.place.scheme == "tls") {
    options.tls.host = options.place.host;
    DE_TRY(opened, Tls::open(options.tls));
    tls = std::move(opened);
  }
  std::unique_ptr<SyslogServer> out(new SyslogServer(std::move(options)));
  out->tls_ = std::move(tls);
  return out;
}

Needs SyslogServer::needs() const {
  Needs out;
  out.ca_file = options_.tls.ca_file;
  if (options_.place.scheme != "udp") out.tcp_ports = {options_.place.port};
  return out;
}

Result<> SyslogServer::deliver(const parcel::Parcel& parcel) {
  const auto until = std::chrono::steady_clock::now() + options_.timeout;
  const bool is_datagram = options_.place.scheme == "udp";
  Result<> outcome = is_datagram ? send_datagram(parcel.body, until) : send_stream(parcel.body, until);
  if (outcome) return outcome;
  if (tls_) tls_->end();
  fd_.reset();
  return fail(std::move(outcome).error().during(options_.place.text()));
}

Result<> SyslogServer::connect(Deadline until) {
  DE_TRY(fd, connect_to(options_.place, options_.place.scheme == "udp" ? SOCK_DGRAM : SOCK_STREAM, until));
  fd_ = std::move(fd);
  return tls_ ? tls_->begin(fd_.get(), until) : Result<>();
}

Result<> SyslogServer::check_still_open() { return tls_ ? tls_->check_open() : check_open(fd_.get()); }

Result<> SyslogServer::send_datagram(const std::string& message, Deadline until) {
  if (!fd_) DE_CHECK(connect(until));
  DE_CHECK(send_all(fd_.get(), message, until));
  // On this host, and sometimes from the next router, a refusal is there at once.
  const int error = pending_error(fd_.get());
  if (error == 0) return {};
  return fail(error == ECONNREFUSED ? Errc::Closed : Errc::Io, "send", std::error_code(error, std::generic_category()));
}

Result<> SyslogServer::send_stream(const std::string& message, Deadline until) {
  // A connection that was ended while there was nothing to send has lost nothing.
  if (fd_ && !check_still_open()) {
    if (tls_) tls_->end();
    fd_.reset();
  }
  if (!fd_) DE_CHECK(connect(until));
  const std::string frame = std::to_string(message.size()) + " " + message;
  DE_CHECK(tls_ ? tls_->send(frame, until) : send_all(fd_.get(), frame, until));
  DE_CHECK(await_acknowledged(fd_.get(), until));
  return check_still_open();
}

}  // namespace de::courier
