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

#include "courier/destination.h"
#include "daemoneye/base/result.h"

namespace de::courier {

struct WebhookOptions {
  std::string url{};         // http:// or https://, without a user and a password.
  std::string ca_file{};     // Who may sign the server's certificate, PEM; empty: whom the host trusts.
  std::string token_file{};  // Sent as "Authorization: Bearer"; empty: none.
  std::string content_type = "application/json";
  std::chrono::milliseconds timeout{10'000};  // For all of one delivery.
};

constexpr std::size_t kMaxAnswerBytes = 64UL << 10;

class Webhook final : public Destination {
 public:
  // Reads the token, once. Errors: Invalid (the URL), those of read_token() and of a `ca_file` that cannot be read.
  static Result<std::unique_ptr<Webhook>> open(const WebhookOptions& options);
  ~Webhook() override;
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  Needs needs() const override { return {.tcp_ports = {port_}, .ca_file = ca_file_}; }
  // Success: the server answered 2xx. Errors: Timeout, Denied (its certificate, or it answered 401 or 403), Io.
  Result<> deliver(const parcel::Parcel& parcel) override;

 private:
  Webhook() = default;
  Result<> parse_url(const std::string& url);
  Result<> set_up(const WebhookOptions& options, const std::string& token);
  Result<> judge(int failed, const char* details, long status, const std::string& answer) const;

  struct Handles;
  std::unique_ptr<Handles> curl_;
  std::string place_;  // "https://host:port", for errors.
  std::string ca_file_;
  std::uint16_t port_ = 0;
  bool sees_network_ = true;  // Or nothing but loopback.
};

}  // namespace de::courier
