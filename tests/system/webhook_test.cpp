// Alerts posted to a server: a real one, its certificate, its refusals, its absence, and a courier that is killed.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "health_report.h"
#include "kernel_support.h"
#include "temp_dir.h"

namespace de::system_test {
namespace {

using test::read_text;
using test::TempDir;
using namespace std::chrono_literals;

class Webhook : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
    make_certificate("localhost", "key.pem", "cert.pem");
    dir_.write("both.pem", read_text(dir_ / "key.pem") + read_text(dir_ / "cert.pem"));
    write_token("s3cret-of-the-test", 0640);
  }
  void make_certificate(const std::string& name, const char* key, const char* certificate) {
    const Ran made =
        run({"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name,
             "-addext", "subjectAltName=DNS:" + name, "-keyout", dir_ / key, "-out", dir_ / certificate});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    ASSERT_EQ(::chmod((dir_ / certificate).c_str(), 0644), 0);
  }
  void write_token(const std::string& token, mode_t mode) { write_secret("token", token + "\n", mode); }
  void write_secret(const char* name, const std::string& text, mode_t mode) {
    const std::string path = dir_.write(name, text);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    // Ours, or that of the account the agent becomes.
    if (::geteuid() == 0) {
      ASSERT_EQ(::chown(path.c_str(), 64124, 64124), 0);
    }
  }
  // `port` stays the same when it is served again.
  void serve(const std::string& clients = {}) {
    std::filesystem::remove(dir_ / "port");
    std::vector<std::string> command = {"/usr/bin/python3", DE_SOURCE_DIR "/tests/system/webhook_server.py",
                                        dir_.path(), dir_ / "both.pem", port_};
    if (!clients.empty()) command.push_back(dir_ / clients);
    server_ = Background(command, dir_ / "server.log");
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir_ / "port"); })) << read_text(dir_ / "server.log");
    port_ = read_text(dir_ / "port");
  }
  void behave(const std::string& how) {
    dir_.write("behaviour.new", how);
    std::filesystem::rename(dir_ / "behaviour.new", dir_ / "behaviour");
  }
  std::string token_field() const { return "token_file: " + dir_ / "token"; }
  void start(const std::string& host_name = "localhost") { start(host_name, token_field()); }
  // `fields` are those of the sink that say who we are and which way to go.
  void start(const std::string& host_name, const std::string& fields) {
    host_.write_rule("demo.yaml",
                     "id: demo\nname: Demo\ndescription: Demo.\nseverity: high\nsql: |\n  SELECT pid, name, "
                     "executable_path FROM processes WHERE executable_path LIKE '" +
                         host_.demo_dir() + "/%'\n");
    host_.start_agent({"--set", "sinks=[{name: file, type: file, path: " + host_.dir() +
                                    "/alerts.jsonl}, {name: hook, type: webhook, timeout_ms: 3000, url: 'https://" +
                                    host_name + ":" + port_ + "/alerts', ca_file: " + dir_ / "cert.pem" + ", " +
                                    fields + "}]"});
    host_.start_procmond();
    ASSERT_TRUE(host_.is_steady()) << host_.log("agent") << host_.log("procmond");
  }
  std::string hook() { return read_health(host_).detail("sink.hook"); }
  bool has_posted(const std::string& text, const std::string& how = "204") {
    std::istringstream lines(read_text(dir_ / "received"));
    for (std::string line; std::getline(lines, line);)
      if (contains(line, text) && contains(line, "\"how\": \"" + how + "\"")) return true;
    return false;
  }
  pid_t courier() {
    const Ran found = run({"/usr/bin/pgrep", "-f", "daemoneye-courier --url https://localhost:" + port_});
    return found.exit_code == 0 ? std::stoi(found.out) : -1;
  }

  TempDir dir_;
  Background server_;
  std::string port_ = "0";
  Host host_;
};

TEST_F(Webhook, AnAlertIsPostedWithItsTokenAndItsKey) {
  serve();
  start();
  host_.run_from_tmp("posted");
  ASSERT_TRUE(eventually([&] { return has_posted("posted"); })) << hook() << host_.log("agent");
  const std::string received = read_text(dir_ / "received");
  EXPECT_TRUE(contains(received, "\"Authorization\": \"Bearer s3cret-of-the-test\"")) << received;
  EXPECT_TRUE(contains(received, "\"Content-Type\": \"application/json\"")) << received;
  EXPECT_TRUE(contains(received, "daemoneye.alert/1")) << received;
  const auto key = received.find("\"Idempotency-Key\": \"");
  ASSERT_NE(key, received.npos) << received;
  EXPECT_TRUE(contains(read_text(host_.dir() + "/alerts.jsonl"), received.substr(key + 20, 36))) << "the alert's id";
  EXPECT_TRUE(eventually([&] { return contains(hook(), "delivered"); })) << hook();
  const Ran everything = run({"/bin/sh", "-c", "cat " + host_.demo_dir() + "/agent.log; ps -ef"});
  EXPECT_FALSE(contains(everything.out, "s3cret-of-the-test")) << "neither logged nor for others to see";
}

// The value of a header field in a line that the server wrote.
std::string header_of(const std::string& line, const std::string& name) {
  const std::string begin = "\"" + name + "\": \"";
  const auto at = line.find(begin);
  return at == line.npos ? "" : line.substr(at + begin.size(), line.find('"', at + begin.size()) - at - begin.size());
}

TEST_F(Webhook, SaysWhoItIsByCertificatePasswordAndSignature) {
  make_certificate("box.example", "box.key", "box.pem");
  write_secret("box.key", read_text(dir_ / "box.key"), 0640);
  write_secret("password", "pass:of-the-test\n", 0640);
  write_secret("hmac", "key-of-the-test\n", 0640);
  serve("box.pem");
  start("localhost", "cert_file: " + dir_ / "box.pem" + ", key_file: " + dir_ / "box.key" +
                         ", user: box, password_file: " + dir_ / "password" + ", hmac_file: " + dir_ / "hmac");
  host_.run_from_tmp("signed");
  ASSERT_TRUE(eventually([&] { return has_posted("signed"); })) << hook() << host_.log("agent");
  const std::string received = read_text(dir_ / "received");
  EXPECT_TRUE(contains(received, "box.example")) << "the certificate: " << received;
  EXPECT_EQ(header_of(received, "Authorization"), "Basic Ym94OnBhc3M6b2YtdGhlLXRlc3Q=") << "as base64 writes it";
  // What a receiver does, with tools that are not ours.
  const Ran checked =
      run({"/bin/sh", "-c",
           "cd " + dir_.path() +
               " && head -1 received | python3 -c 'import json, sys; line = json.load(sys.stdin); sys.stdout.write("
               "line[\"headers\"][\"X-DaemonEye-Timestamp\"] + \".\" + line[\"body\"])' | openssl dgst -sha256 -hmac "
               "key-of-the-test -r"});
  ASSERT_EQ(checked.exit_code, 0) << checked.err;
  EXPECT_EQ(header_of(received, "X-DaemonEye-Signature"), "sha256=" + checked.out.substr(0, 64));
  const Ran everything = run({"/bin/sh", "-c", "cat " + host_.demo_dir() + "/agent.log; ps -ef"});
  for (const char* secret : {"of-the-test", "Ym94OnBhc3M6"}) EXPECT_FALSE(contains(everything.out, secret)) << secret;
}

TEST_F(Webhook, WhoHasNoCertificateIsToldThatItTakesOne) {
  make_certificate("box.example", "box.key", "box.pem");
  serve("box.pem");
  start();
  host_.run_from_tmp("unknown");
  EXPECT_TRUE(eventually([&] { return contains(hook(), "`cert_file`"); })) << hook();
  EXPECT_FALSE(std::filesystem::exists(dir_ / "received"));
}

TEST_F(Webhook, GoesThroughAProxyAndWaitsForIt) {
  if (::access("/usr/bin/tinyproxy", X_OK) != 0) {
    ASSERT_EQ(std::getenv("CI"), nullptr) << "apt-get install tinyproxy-bin";
    GTEST_SKIP() << "there is no /usr/bin/tinyproxy: apt-get install tinyproxy-bin";
  }
  serve();
  const Ran free = run({"/usr/bin/python3", "-c",
                        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"});
  const std::string port = free.out.substr(0, free.out.find('\n'));
  dir_.write("proxy.conf", "Port " + port + "\nListen 127.0.0.1\nMaxClients 10\nLogLevel Connect\nTimeout 60\n");
  start("localhost", token_field() + ", proxy: 'http://127.0.0.1:" + port + "'");
  host_.run_from_tmp("by-proxy");
  ASSERT_TRUE(eventually([&] { return contains(hook(), "connect"); })) << "never past the proxy: " << hook();
  Background proxy({"/usr/bin/tinyproxy", "-d", "-c", dir_ / "proxy.conf"}, dir_ / "proxy.log");
  ASSERT_TRUE(eventually([&] { return has_posted("by-proxy"); }, 60s)) << hook() << read_text(dir_ / "proxy.log");
  EXPECT_TRUE(contains(read_text(dir_ / "proxy.log"), "CONNECT localhost:" + port_)) << read_text(dir_ / "proxy.log");
  EXPECT_TRUE(contains(read_text(dir_ / "received"), "Bearer s3cret-of-the-test"));
  EXPECT_FALSE(contains(read_text(dir_ / "proxy.log"), "s3cret-of-the-test"));
}

TEST_F(Webhook, WhatAServerRefusesComesLaterAndOnce) {
  serve();
  behave("503");
  start();
  host_.run_from_tmp("refused");
  ASSERT_TRUE(eventually([&] { return contains(hook(), "answered 503: no, \\x1b[31mnot now"); })) << hook();
  behave("302");
  ASSERT_TRUE(eventually([&] { return contains(hook(), "answered 302"); })) << hook() << "and is not followed";
  server_.signal(SIGKILL);
  ASSERT_TRUE(eventually([&] { return contains(hook(), "connect"); })) << hook();
  EXPECT_TRUE(contains(read_text(host_.dir() + "/alerts.jsonl"), "refused")) << "others do not wait";
  behave("204");
  serve();
  ASSERT_TRUE(eventually([&] { return has_posted("refused"); }, 60s)) << hook();
  EXPECT_TRUE(eventually([&] { return read_health(host_).status("sink.hook") == "ok"; })) << hook();
  const std::string log = host_.log("agent");
  for (const char* said : {"cannot deliver", "delivers again"}) {
    ASSERT_TRUE(contains(log, said)) << log;
    EXPECT_EQ(log.find(said), log.rfind(said)) << "of a row of failures the first" << log;
  }
}

TEST_F(Webhook, AServerThatHardlyAnswersCostsALimitOfTime) {
  serve();
  for (const char* how : {"hang", "slow"}) {
    behave(how);
    if (std::string(how) == "hang") start();
    host_.run_from_tmp(how);
    EXPECT_TRUE(eventually([&] { return has_posted("\"how\"", how) && contains(hook(), "timed out"); })) << hook();
  }
  behave("204");
  EXPECT_TRUE(eventually([&] { return has_posted("slow") && has_posted("hang"); }, 90s)) << hook();
}

TEST_F(Webhook, AKilledCourierIsBegunAnew) {
  serve();
  start();
  pid_t first = -1;
  ASSERT_TRUE(eventually([&] { return (first = courier()) > 0; })) << "it is there before the first alert";
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  host_.run_from_tmp("after-the-kill");
  ASSERT_TRUE(eventually([&] { return has_posted("after-the-kill"); })) << hook() << host_.log("agent");
  EXPECT_NE(courier(), first);
  host_.agent.signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return courier() < 0; })) << "it ends with the agent";
}

TEST_F(Webhook, AServerOfAnotherNameOrWithoutATrustedSignatureGetsNothing) {
  serve();
  start("127.0.0.1");
  host_.run_from_tmp("not-for-you");
  EXPECT_TRUE(eventually([&] { return contains(hook(), "`url` needs the name in its certificate"); })) << hook();
  EXPECT_FALSE(std::filesystem::exists(dir_ / "received"));
}

TEST_F(Webhook, ATokenThatOthersMayReadIsSaidBeforeThereIsAnAlert) {
  serve();
  write_token("s3cret-of-the-test", 0644);
  start();
  EXPECT_TRUE(eventually([&] { return contains(hook(), "chmod 0640 " + dir_ / "token"); })) << hook();
  EXPECT_EQ(read_health(host_).status("sink.hook"), "degraded");
  write_token("s3cret-of-the-test", 0640);
  host_.run_from_tmp("mended");
  EXPECT_TRUE(eventually([&] { return has_posted("mended"); })) << "without a restart" << hook();
}

}  // namespace
}  // namespace de::system_test
