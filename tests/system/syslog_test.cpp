// Alerts to a real syslog daemon over TLS and at its local socket, and to the journal's socket, by the real couriers.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "health_report.h"
#include "temp_dir.h"

namespace de::system_test {
namespace {

using test::read_text;
using test::TempDir;
using namespace std::chrono_literals;

// Binds the journal's socket, whose path is the first argument, and prints each datagram into the second as Python
// does.
constexpr const char* kJournal =
    "import os, socket, sys\n"
    "journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "journal.bind(sys.argv[1])\n"
    "os.chmod(sys.argv[1], 0o666)\n"
    "while True:\n"
    "    data, fds, _, _ = socket.recv_fds(journal, 1 << 20, 1)\n"
    "    data = os.pread(fds[0], 1 << 24, 0) if fds else data\n"
    "    with open(sys.argv[2], 'a', encoding='utf-8') as file:\n"
    "        file.write(repr(data) + '\\n')\n";

class Syslog : public testing::Test {
 protected:
  void SetUp() override {
    if (::access("/usr/sbin/rsyslogd", X_OK) != 0) {
      ASSERT_EQ(std::getenv("CI"), nullptr) << "apt-get install rsyslog rsyslog-openssl";
      GTEST_SKIP() << "there is no /usr/sbin/rsyslogd: apt-get install rsyslog rsyslog-openssl";
    }
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
    const Ran made = run({"/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                          "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", dir_ / "key.pem",
                          "-out", dir_ / "cert.pem"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    ASSERT_EQ(::chmod((dir_ / "cert.pem").c_str(), 0644), 0);
    const Ran free = run({"/usr/bin/python3", "-c",
                          "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"});
    port_ = free.out.substr(0, free.out.find('\n'));
    dir_.write("rsyslog.conf",
               "global(maxMessageSize=\"64k\" defaultNetstreamDriverCAFile=\"" + dir_ / "cert.pem" +
                   "\" defaultNetstreamDriverCertFile=\"" + dir_ / "cert.pem" + "\" defaultNetstreamDriverKeyFile=\"" +
                   dir_ / "key.pem" +
                   "\")\nmodule(load=\"imtcp\" streamDriver.name=\"ossl\" streamDriver.mode=\"1\" "
                   "streamDriver.authMode=\"anon\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"" +
                   port_ +
                   "\")\nmodule(load=\"imuxsock\" sysSock.use=\"off\")\n"
                   "input(type=\"imuxsock\" socket=\"" +
                   dir_ / "log" +
                   "\" rateLimit.interval=\"0\")\n"
                   "template(name=\"line\" type=\"string\" "
                   "string=\"%inputname% %pri% %programname% %structured-data% %msg%\\n\")\n"
                   "action(type=\"omfile\" file=\"" +
                   dir_ / "received" + "\" template=\"line\")\n");
    journal_ = Background({"/usr/bin/python3", "-c", kJournal, dir_ / "journal", dir_ / "journalled"}, dir_ / "j.log");
    serve();
  }
  void serve() {
    server_ = Background({"/usr/sbin/rsyslogd", "-n", "-f", dir_ / "rsyslog.conf", "-i", dir_ / "pid"}, dir_ / "s.log");
  }
  void start() {
    host_.write_rule("demo.yaml",
                     "id: demo\nname: Demo\ndescription: Demo.\nseverity: high\nsql: |\n  SELECT pid, name, "
                     "executable_path FROM processes WHERE executable_path LIKE '" +
                         host_.demo_dir() + "/%'\n");
    host_.start_agent({"--set", "sinks=[{name: file, type: file, path: " + host_.dir() +
                                    "/alerts.jsonl}, {name: remote, type: syslog, facility: local3, timeout_ms: 3000, "
                                    "url: 'tls://localhost:" +
                                    port_ + "', ca_file: " + dir_ / "cert.pem" +
                                    "}, {name: local, type: syslog, format: cef, url: 'unix://" + dir_ / "log" +
                                    "'}, {name: journal, type: journald, path: " + dir_ / "journal" + "}]"});
    host_.start_procmond();
    ASSERT_TRUE(host_.is_steady()) << host_.log("agent") << host_.log("procmond");
  }
  std::string of(const std::string& sink) { return read_health(host_).detail("sink." + sink); }
  // Whether a line has both.
  bool has(const std::string& file, const std::string& one, const std::string& other) {
    const std::string text = read_text(dir_ / file);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string line = text.substr(at, end - at);
      if (contains(line, one) && contains(line, other)) return true;
      at = end + 1;
    }
    return false;
  }

  TempDir dir_;
  Background server_, journal_;
  std::string port_;
  Host host_;
};

TEST_F(Syslog, AnAlertArrivesByEachOfTheRoads) {
  start();
  host_.run_from_tmp("logged");
  ASSERT_TRUE(eventually([&] { return has("received", "imtcp 155 daemoneye [daemoneye@32473 id=", "/logged"); }))
      << of("remote") << read_text(dir_ / "s.log") << host_.log("agent") << "local3 is 19, and high an error";
  EXPECT_TRUE(eventually([&] { return has("received", "imuxsock 27 daemoneye", "CEF:0|DaemonEye|"); })) << of("local");
  EXPECT_TRUE(eventually([&] { return has("journalled", "DAEMONEYE_RULE=demo", "PRIORITY=3"); })) << of("journal");
  for (const char* sink : {"sink.remote", "sink.local", "sink.journal"})
    EXPECT_TRUE(eventually([&] { return read_health(host_).status(sink) == "ok"; })) << sink;
}

TEST_F(Syslog, WhileADaemonIsAwayItsAlertsWait) {
  start();
  host_.run_from_tmp("before");
  ASSERT_TRUE(eventually([&] { return has("received", "imtcp", "/before") && has("received", "imuxsock", "/before"); }))
      << of("remote") << of("local");
  server_.signal(SIGKILL);
  (void)server_.wait(10s);
  journal_.signal(SIGKILL);
  (void)journal_.wait(10s);
  host_.run_from_tmp("meanwhile");
  for (const char* sink : {"remote", "local", "journal"})
    EXPECT_TRUE(eventually([&] { return contains(of(sink), "refused") || contains(of(sink), "closed"); }, 60s))
        << sink << ": " << of(sink);
  EXPECT_FALSE(has("received", "imtcp", "/meanwhile"));
  EXPECT_TRUE(contains(read_text(host_.dir() + "/alerts.jsonl"), "/meanwhile")) << "others do not wait";
  serve();
  EXPECT_TRUE(eventually([&] { return has("received", "imtcp", "/meanwhile"); }, 90s)) << of("remote");
  EXPECT_TRUE(eventually([&] { return has("received", "imuxsock", "/meanwhile"); }, 90s)) << of("local");
}

TEST_F(Syslog, AFileThatIsNotThereIsRefusedAtTheStart) {
  Background agent({program("daemoneye-agent"), "--state-dir", dir_ / "state", "--set",
                    "sinks=[{name: remote, type: syslog, url: 'tls://localhost', ca_file: /nowhere.pem}]"},
                   dir_ / "agent.log");
  EXPECT_GT(agent.wait(20s), 0);
  EXPECT_TRUE(
      contains(read_text(dir_ / "agent.log"),
               "sink \"remote\": ca_file: there is no file /nowhere.pem; put it there, or name the one that is"))
      << read_text(dir_ / "agent.log");
}

}  // namespace
}  // namespace de::system_test
