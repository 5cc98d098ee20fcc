// TLS of a client, by OpenSSL: version 1.2 or newer, the server's certificate verified with its name.
//
// Against whom: whoever answers in the server's place.
//
// Thread: one.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "courier/connection.h"
#include "daemoneye/base/result.h"

namespace de::courier {

struct TlsOptions {
  std::string host{};       // Whose name, or address, the certificate has to bear.
  std::string ca_file{};    // Who may sign it, PEM; empty: whom the host trusts.
  std::string cert_file{};  // Ours, with those that lead to who signed it, PEM; empty: none.
  std::string key_file{};   // Its key, which others must not be able to read.
};

class Tls {
 public:
  // Reads all files, once. Errors: NotFound, Denied (one cannot be read, or others may read the key), Invalid.
  static Result<std::unique_ptr<Tls>> open(const TlsOptions& options);
  ~Tls();
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  // One session at a time, on a connected socket that does not wait and outlives it. Errors: Denied (the server's
  // certificate, or it wants one of us), Timeout, Closed, Io.
  Result<> begin(int fd, Deadline until);
  void end();
  Result<> send(std::string_view bytes, Deadline until);
  // Errors: Closed (the server has ended the session), Denied (it wants another certificate), Io.
  Result<> check_open();

 private:
  Tls() = default;
  Result<> load_certificate(const TlsOptions& options);
  Result<> prepare_session(int fd);
  Result<> go_on(int outcome, Deadline until);
  tl::unexpected<Error> failure(int outcome, int os_error);

  struct Handles;
  std::unique_ptr<Handles> handles_;
  std::string host_;
  int fd_ = -1;
};

}  // namespace de::courier
