// Syslog to a real rsyslogd: over UDP, TCP, TLS and its local socket.
#include "courier/syslog_server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "courier/local_socket.h"
#include "rsyslog.h"
#include "sink/log_record.h"
#include "sink/sample.h"

namespace de::courier {
namespace {

using sink::process_alert;
using sink::syslog_record;

std::string outcome(const Result<>& result) { return result ? "arrived" : result.error().message(); }

parcel::Parcel parcel_of(const std::string& body) { return {1, "key", body}; }

// The alert as it is to arrive, without what syslog puts around it.
std::string expected_text() {
  std::string text = sink::format_alert(sink::Format::Json, process_alert());
  text.pop_back();
  return text;
}

std::string without_mark(std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

struct SyslogServerTest : testing::Test {
  void SetUp() override { DE_NEEDS_RSYSLOG(); }

  std::unique_ptr<SyslogServer> open(const std::string& url, TlsOptions tls = {}) {
    auto opened = SyslogServer::open({parse_place(url).value(), std::move(tls), std::chrono::milliseconds(3'000)});
    EXPECT_TRUE(opened) << opened.error().message();
    return opened ? std::move(*opened) : nullptr;
  }
  // It may take a moment until rsyslogd listens.
  void expect_arrives(Destination& destination, const std::string& body) {
    Result<> last;
    EXPECT_TRUE(eventually([&] { return (last = destination.deliver(parcel_of(body))).has_value(); })) << outcome(last);
  }
  // A key and a certificate that it signs itself, or that `signer` signs.
  void make_certificate(const std::string& name, const std::string& subject, const std::string& signer = "") {
    const std::string by = signer.empty() ? "" : " -CA " + dir_ / signer + ".pem -CAkey " + dir_ / signer + ".key";
    const std::string command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=" + subject +
                                " -addext subjectAltName=DNS:" + subject + by + " -keyout " + dir_ / name +
                                ".key -out " + dir_ / name + ".pem 2>/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    ASSERT_EQ(::chmod((dir_ / name + ".key").c_str(), 0600), 0);
  }
  std::string tls_inputs(int port, bool wants_certificate) {
    return "global(defaultNetstreamDriverCAFile=\"" + dir_ / (wants_certificate ? "client.pem" : "server.pem") +
           "\" defaultNetstreamDriverCertFile=\"" + dir_ / "server.pem" + "\" defaultNetstreamDriverKeyFile=\"" +
           dir_ / "server.key" + "\")\nmodule(load=\"imtcp\" streamDriver.name=\"ossl\" streamDriver.mode=\"1\" " +
           (wants_certificate ? "streamDriver.authMode=\"x509/certvalid\")" : "streamDriver.authMode=\"anon\")") +
           "\ninput(type=\"imtcp\" port=\"" + std::to_string(port) + "\" address=\"127.0.0.1\")";
  }

  TempDir dir_;
};

TEST_F(SyslogServerTest, OverUdpBothFormsArriveIntact) {
  const int port = free_port(SOCK_DGRAM);
  Rsyslog server(dir_, "module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"" +
                           std::to_string(port) + "\")");
  const auto udp = open("udp://127.0.0.1:" + std::to_string(port));
  expect_arrives(*udp, syslog_record({.facility = 4}, process_alert()));
  ASSERT_TRUE(eventually([&] { return server.received().size() == 1; }));
  expect_arrives(*udp, syslog_record({.is_rfc3164 = true, .facility = 23}, process_alert()));
  ASSERT_TRUE(eventually([&] { return server.received().size() == 2; }));
  const std::vector<Message> got = server.received();
  EXPECT_EQ(got[0].priority, std::to_string(4 * 8 + 4)) << "auth, and medium is a warning";
  EXPECT_EQ(got[0].host, "box-2");
  EXPECT_EQ(got[0].program, "daemoneye");
  EXPECT_EQ(without_mark(got[0].text), expected_text());
  EXPECT_NE(got[0].data.find("rule=\"rule|1\""), std::string::npos) << got[0].data;
  EXPECT_EQ(got[1].priority, std::to_string(23 * 8 + 4));
  EXPECT_EQ(got[1].host, "box-2");
  EXPECT_EQ(got[1].program, "daemoneye");
  EXPECT_EQ(got[1].text, expected_text());
  server.stop();
  Result<> refused;
  EXPECT_TRUE(eventually([&] { return !(refused = udp->deliver(parcel_of("x"))); })) << "a refusal is noticed";
}

TEST_F(SyslogServerTest, OverTcpAServerThatWentAwayIsNoticedAndFoundAgain) {
  const int port = free_port(SOCK_STREAM);
  Rsyslog server(dir_, "module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"" +
                           std::to_string(port) + "\")");
  const auto tcp = open("tcp://127.0.0.1:" + std::to_string(port));
  const std::string record = syslog_record({}, process_alert());
  expect_arrives(*tcp, record);
  EXPECT_EQ(outcome(tcp->deliver(parcel_of(record))), "arrived") << "on the same connection";
  ASSERT_TRUE(eventually([&] { return server.received().size() == 2; }));
  EXPECT_EQ(without_mark(server.received()[1].text), expected_text());
  server.stop();
  EXPECT_NE(outcome(tcp->deliver(parcel_of(record))), "arrived")
      << "nothing is thrown into a connection that has ended";
  server.start();
  expect_arrives(*tcp, record);
  EXPECT_TRUE(eventually([&] { return server.received().size() == 3; }));
  // Ended while there was nothing to send: nothing is lost, so nothing has failed.
  server.stop();
  server.start();
  const auto other = open("tcp://127.0.0.1:" + std::to_string(port));
  expect_arrives(*other, record);
  EXPECT_EQ(outcome(tcp->deliver(parcel_of(record))), "arrived");
}

TEST_F(SyslogServerTest, OverTlsTheServerIsVerified) {
  make_certificate("server", "localhost");
  make_certificate("other", "localhost");
  const int port = free_port(SOCK_STREAM);
  Rsyslog server(dir_, tls_inputs(port, false));
  const std::string at = ":" + std::to_string(port);
  const auto tls = open("tls://localhost" + at, {{}, dir_ / "server.pem", {}, {}});
  expect_arrives(*tls, syslog_record({}, process_alert()));
  ASSERT_TRUE(eventually([&] { return server.received().size() == 1; }));
  EXPECT_EQ(without_mark(server.received()[0].text), expected_text());
  EXPECT_EQ(outcome(tls->deliver(parcel_of(syslog_record({}, process_alert())))), "arrived");
  ASSERT_TRUE(eventually([&] { return server.received().size() == 2; }));
  const auto by_address = open("tls://127.0.0.1" + at, {{}, dir_ / "server.pem", {}, {}});
  EXPECT_NE(outcome(by_address->deliver(parcel_of("<1>x"))).find("needs the name in its certificate"),
            std::string::npos);
  const auto stranger = open("tls://localhost" + at, {{}, dir_ / "other.pem", {}, {}});
  EXPECT_NE(outcome(stranger->deliver(parcel_of("<1>x"))).find("SSL certificate problem"), std::string::npos);
  const auto trusting_the_host = open("tls://localhost" + at);
  EXPECT_NE(outcome(trusting_the_host->deliver(parcel_of("<1>x"))).find("SSL certificate problem"), std::string::npos);
  EXPECT_EQ(server.received().size(), 2U);
  server.stop();
  EXPECT_NE(outcome(tls->deliver(parcel_of("<1>x"))), "arrived");
}

// Signed by whom we trust, for somebody else.
TEST_F(SyslogServerTest, OverTlsACertificateOfAnotherNameIsRefused) {
  make_certificate("server", "other.example");
  const int port = free_port(SOCK_STREAM);
  Rsyslog server(dir_, tls_inputs(port, false));
  const auto tls = open("tls://localhost:" + std::to_string(port), {{}, dir_ / "server.pem", {}, {}});
  std::string said;
  EXPECT_TRUE(eventually([&] {
    said = outcome(tls->deliver(parcel_of("<1>x")));
    return said.find("Connection refused") == said.npos;
  }));
  EXPECT_NE(said.find("needs the name in its certificate"), std::string::npos) << said;
}

TEST_F(SyslogServerTest, OverTlsTheServerCanWantACertificateOfUs) {
  make_certificate("server", "localhost");
  make_certificate("client", "box-2");
  make_certificate("unknown", "box-3");
  const int port = free_port(SOCK_STREAM);
  Rsyslog server(dir_, tls_inputs(port, true));
  const std::string url = "tls://localhost:" + std::to_string(port);
  const auto known = open(url, {{}, dir_ / "server.pem", dir_ / "client.pem", dir_ / "client.key"});
  expect_arrives(*known, syslog_record({}, process_alert()));
  ASSERT_TRUE(eventually([&] { return server.received().size() == 1; }));
  const auto unknown = open(url, {{}, dir_ / "server.pem", dir_ / "unknown.pem", dir_ / "unknown.key"});
  EXPECT_NE(outcome(unknown->deliver(parcel_of("<1>x"))), "arrived");
  const auto nobody = open(url, {{}, dir_ / "server.pem", {}, {}});
  EXPECT_NE(outcome(nobody->deliver(parcel_of("<1>x"))), "arrived");
  EXPECT_EQ(server.received().size(), 1U);
}

TEST_F(SyslogServerTest, AtItsLocalSocketMessagesAreOfThisHost) {
  const std::string path = dir_ / "log";
  Rsyslog server(dir_, "module(load=\"imuxsock\" sysSock.use=\"off\")\ninput(type=\"imuxsock\" socket=\"" + path +
                           "\" createPath=\"on\" rateLimit.interval=\"0\")");
  std::unique_ptr<LocalSocket> local;
  ASSERT_TRUE(eventually([&] {
    auto opened = LocalSocket::open({.path = path});
    if (opened) local = std::move(*opened);
    return local != nullptr;
  }));
  const std::string record = syslog_record({.is_rfc3164 = true, .is_local = true}, process_alert());
  EXPECT_EQ(outcome(local->deliver(parcel_of(record))), "arrived");
  ASSERT_TRUE(eventually([&] { return server.received().size() == 1; }));
  EXPECT_EQ(server.received()[0].program, "daemoneye");
  EXPECT_EQ(server.received()[0].text, expected_text());
  server.stop();
  EXPECT_NE(outcome(local->deliver(parcel_of(record))), "arrived") << "nobody listens any more";
}

TEST(TlsFiles, AreJudgedBeforeAnythingIsSent) {
  const TempDir dir;
  const auto why = [](TlsOptions options) { return Tls::open(options).error().message(); };
  EXPECT_NE(why({{}, dir / "none", {}, {}}).find("ca_file " + dir / "none"), std::string::npos);
  EXPECT_NE(why({{}, dir.write("empty", ""), {}, {}}).find("has no certificates"), std::string::npos);
  EXPECT_NE(why({{}, {}, dir / "none", {}}).find("cert_file " + dir / "none"), std::string::npos);
  EXPECT_NE(why({{}, {}, dir / "empty", {}}).find("is no certificate in PEM"), std::string::npos);
  const std::string make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=a -keyout " + dir / "key" +
                           " -out " + dir / "cert" + " 2>/dev/null; openssl genrsa -out " + dir / "other 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  ASSERT_EQ(::chmod((dir / "key").c_str(), 0644), 0);
  EXPECT_NE(why({{}, {}, dir / "cert", dir / "key"}).find("chmod 0640 " + dir / "key"), std::string::npos);
  ASSERT_EQ(::chmod((dir / "other").c_str(), 0600), 0);
  EXPECT_NE(why({{}, {}, dir / "cert", dir / "other"}).find("is not the key of cert_file"), std::string::npos);
  ASSERT_EQ(::chmod((dir / "key").c_str(), 0640), 0);
  EXPECT_TRUE(Tls::open({{}, {}, dir / "cert", dir / "key"}));
}

TEST(Place, HasThePortOfItsScheme) {
  EXPECT_EQ(parse_place("udp://h").value().text(), "udp://h:514");
  EXPECT_EQ(parse_place("tcp://h").value().text(), "tcp://h:601");
  EXPECT_EQ(parse_place("tls://[::1]").value().text(), "tls://[::1]:6514");
  EXPECT_EQ(parse_place("https://h/x").value().port, 443);
  EXPECT_EQ(parse_place("http://h:8080/x").value().port, 8080);
  EXPECT_EQ(parse_place("unix:///dev/log").value().path, "/dev/log");
  EXPECT_FALSE(parse_place("tcp://u:p@h"));
}

}  // namespace
}  // namespace de::courier
