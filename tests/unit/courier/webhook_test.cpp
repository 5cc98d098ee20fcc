// What a courier refuses before it has anything to take; tests/system/webhook_test.cpp shows the rest on real servers.
#include "courier/webhook.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <thread>

#include "courier/secret_file.h"
#include "daemoneye/base/unique_fd.h"
#include "temp_dir.h"

namespace de::courier {
namespace {

using test::TempDir;

struct TokenTest : testing::Test {
  TempDir dir;
  std::string token(std::string_view text, mode_t mode = 0600) {
    std::string path = dir.write("token", text);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
};

TEST_F(TokenTest, IsTheOneLineOfAFileOthersCannotRead) {
  EXPECT_EQ(read_token("token_file", token("s3cret\n")).value(), "s3cret");
  EXPECT_EQ(read_token("token_file", token("s3cret", 0640)).value(), "s3cret");
  EXPECT_EQ(read_token("token_file", token(std::string(kMaxTokenBytes, 'x') + "\n")).value().size(), kMaxTokenBytes);
  for (const mode_t mode : {0644U, 0604U, 0660U, 0602U}) {
    const auto open = read_token("token_file", token("s3cret\n", mode));
    ASSERT_FALSE(open) << std::oct << mode;
    EXPECT_EQ(open.error().code(), Errc::Denied);
    EXPECT_NE(open.error().message().find("chmod 0640 " + dir / "token"), std::string::npos) << open.error().message();
  }
}

TEST_F(TokenTest, IsNothingThatCouldBreakOutOfItsHeader) {
  for (const std::string& text : {std::string(), std::string("\n"), std::string("two\nlines\n"), std::string("a b"),
                                  std::string("a\rb"), std::string("a\0b", 3), std::string("\xc3\xa9")})
    EXPECT_EQ(read_token("token_file", token(text)).error().code(), Errc::Invalid) << text;
  EXPECT_EQ(read_token("token_file", token(std::string(kMaxTokenBytes + 1, 'x'))).error().code(), Errc::TooLarge);
  EXPECT_EQ(read_token("token_file", dir / "none").error().code(), Errc::NotFound);
  EXPECT_EQ(read_token("token_file", dir.path()).error().code(), Errc::Invalid);
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_token("token_file", dir / "pipe").error().code(), Errc::Invalid) << "and does not wait for a writer";
}

Result<> opened(WebhookOptions options) {
  auto webhook = Webhook::open(options);
  return webhook ? Result<>() : fail(std::move(webhook).error());
}

TEST(Webhook, KnowsThePortItNeeds) {
  for (const auto& [url, port] : {std::pair{"https://host/x", 443}, {"http://host", 80}, {"https://[::1]:8443/", 8443}})
    EXPECT_EQ(Webhook::open({.url = url}).value()->needs().tcp_ports.at(0), port) << url;
}

TEST(Webhook, OnlyTakesUrlsThatArePostedTo) {
  for (const char* url : {"", "host", "ftp://host/x", "file:///etc/passwd", "https://", "https://user:word@host/",
                          "https://user@host/", "https://host:99999/", "gopher://host"})
    EXPECT_EQ(opened({.url = url}).error().code(), Errc::Invalid) << url;
}

TEST(Webhook, SaysWhichFileIsMissing) {
  const auto no_ca = opened({.url = "https://host/", .ca_file = "/nowhere/ca.pem"});
  ASSERT_FALSE(no_ca);
  EXPECT_NE(no_ca.error().message().find("ca_file /nowhere/ca.pem: No such file"), std::string::npos)
      << no_ca.error().message();
  const auto no_token = opened({.url = "https://host/", .token_file = "/nowhere/token"});
  ASSERT_FALSE(no_token);
  EXPECT_NE(no_token.error().message().find("token_file /nowhere/token: No such file"), std::string::npos)
      << no_token.error().message();
}

// By `printf '%s' '1700000000.{}' | openssl dgst -sha256 -hmac key`.
TEST(Webhook, SignsTheTimeAndTheBody) {
  EXPECT_EQ(signature("key", 1'700'000'000, "{}"),
            "sha256=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae");
  EXPECT_NE(signature("key", 1'700'000'001, "{}"), signature("key", 1'700'000'000, "{}"));
}

TEST(Webhook, ReachesThePortOfItsProxy) {
  const auto port = [](const char* proxy) {
    return Webhook::open({.url = "https://host/", .proxy = proxy}).value()->needs().tcp_ports;
  };
  EXPECT_EQ(port("http://proxy:3128"), std::vector<std::uint16_t>{3128}) << "and not that of the server";
  EXPECT_EQ(port("https://proxy"), std::vector<std::uint16_t>{443});
  EXPECT_EQ(opened({.url = "https://host/", .proxy = "socks5://proxy"}).error().code(), Errc::Invalid);
}

// Greets whoever connects, once, as a mail server does.
class MailServer {
 public:
  MailServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      const UniqueFd peer(::accept(listener_.get(), nullptr, nullptr));
      constexpr std::string_view kGreeting = "220 mail.example ESMTP\r\n";
      (void)::send(peer.get(), kGreeting.data(), kGreeting.size(), MSG_NOSIGNAL);
      char byte = 0;
      while (::recv(peer.get(), &byte, 1, 0) > 0) continue;
    });
  }
  ~MailServer() { thread_.join(); }
  std::string place() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

std::string posted_to_mail_server(const std::string& scheme) {
  MailServer server;
  auto webhook = Webhook::open({.url = scheme + server.place() + "/alerts"});
  parcel::Parcel parcel;
  parcel.key = "key";
  parcel.body = "{}";
  const Result<> outcome = webhook.value()->deliver(parcel);
  return outcome ? "delivered" : outcome.error().message();
}

TEST(Webhook, SaysWhatToDoAboutAServerOfAnotherKind) {
  const std::string plain = posted_to_mail_server("http://");
  EXPECT_NE(plain.find("does not speak HTTP: check the port of `url`"), std::string::npos) << plain;
  const std::string secured = posted_to_mail_server("https://");
  EXPECT_NE(secured.find("check the port of `url`, and that the server expects https"), std::string::npos) << secured;
}

}  // namespace
}  // namespace de::courier
