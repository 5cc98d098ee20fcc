// One HTTP(S) server that alerts are posted to.
//
// Against whom: the server, and whoever answers in its place. Certificates are verified, nothing is followed elsewhere,
// an answer is read up to a limit of bytes and time and believed only as far as its status.
//
// Thread: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "courier/destination.h"
#include "daemoneye/base/result.h"

namespace de::courier {

struct WebhookOptions {
  std::string url{};        // http:// or https://, without a user and a password.
  std::string ca_file{};    // Who may sign the server's certificate, PEM; empty: whom the host trusts.
  std::string cert_file{};  // Ours, as key_file its key, of https:// only; empty: none.
  std::string key_file{};
  std::string token_file{};  // Sent as "Authorization: Bearer"; empty: none.
  std::string user{};        // For "Authorization: Basic", with password_file; empty: none.
  std::string password_file{};
  std::string hmac_file{};  // The key of signature(); empty: nothing is signed.
  std::string proxy{};      // http:// or https://; empty: none.
  std::string content_type = "application/json";
  std::chrono::milliseconds timeout{10'000};  // For all of one delivery.
};

constexpr std::size_t kMaxAnswerBytes = 64UL << 10;

// What signs a request: "sha256=" and HMAC-SHA256 of "TIME.BODY", in hexadecimal. The time, which the request bears
// too, lets a server refuse what somebody recorded and sends again.
std::string signature(std::string_view key, std::int64_t unix_s, std::string_view body);

class Webhook final : public Destination {
 public:
  // Reads secrets and certificates, once. Errors: Invalid (a URL), those of read_token() and of Tls::open().
  static Result<std::unique_ptr<Webhook>> open(const WebhookOptions& options);
  ~Webhook() override;
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  Needs needs() const override { return {.tcp_ports = {port_}, .ca_file = options_.ca_file}; }
  // Success: the server answered 2xx. Errors: Timeout, Denied (its certificate, or it answered 401 or 403), Io.
  Result<> deliver(const parcel::Parcel& parcel) override;

 private:
  explicit Webhook(WebhookOptions options);
  Result<> parse_urls();
  Result<> read_certificate();
  // The line that says who we are; empty: none. The caller wipes it.
  Result<std::string> authorization() const;
  Result<> set_up();
  Result<> set_up_tls();
  Result<> judge(int failed, const char* details, long status, const std::string& answer) const;

  struct Handles;
  const WebhookOptions options_;
  std::string hmac_key_;
  std::string certificate_;
  std::string key_;  // As PEM. libcurl reads it for each connection.
  std::unique_ptr<Handles> curl_;
  std::string place_;         // "https://host:port", for errors.
  std::uint16_t port_ = 0;    // Of the server, or of the proxy.
  bool sees_network_ = true;  // Or nothing but loopback.
};

}  // namespace de::courier
