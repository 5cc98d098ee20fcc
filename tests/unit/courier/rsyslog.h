// A real rsyslogd for a test: listens on loopback or at a socket, and writes what it takes to a file, a line a message.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "temp_dir.h"

extern char** environ;

namespace de::courier {

using test::TempDir;

inline bool has_rsyslog() { return ::access("/usr/sbin/rsyslogd", X_OK) == 0; }

// Where tests must not be skipped, its absence is a failure.
#define DE_NEEDS_RSYSLOG()                                                                     \
  if (!has_rsyslog()) {                                                                        \
    ASSERT_EQ(std::getenv("CI"), nullptr) << "apt-get install rsyslog rsyslog-openssl";        \
    GTEST_SKIP() << "there is no /usr/sbin/rsyslogd: apt-get install rsyslog rsyslog-openssl"; \
  }                                                                                            \
  static_assert(true)

inline int free_port(int kind) {
  const int fd = ::socket(AF_INET, kind, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  (void)::bind(fd, reinterpret_cast<const sockaddr*>(&address), size);
  (void)::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

struct Message {
  std::string priority, host, program, data, text;
};

class Rsyslog {
 public:
  // `inputs`: what it listens to, in its own language.
  Rsyslog(const TempDir& dir, const std::string& inputs) : dir_(dir) {
    conf_ = dir.write("rsyslog.conf",
                      "global(workDirectory=\"" + dir.path() +
                          "\" maxMessageSize=\"64k\" parser.escapeControlCharactersOnReceive=\"off\")\n" + inputs +
                          "\ntemplate(name=\"line\" type=\"string\" string=\"%pri%\\t%hostname%\\t%programname%\\t"
                          "%structured-data%\\t%msg%\\n\")\n"
                          "action(type=\"omfile\" file=\"" +
                          dir / "received" + "\" template=\"line\")\n");
    start();
  }
  ~Rsyslog() { stop(); }
  Rsyslog(const Rsyslog&) = delete;
  Rsyslog& operator=(const Rsyslog&) = delete;

  void start() {
    std::vector<std::string> words = {"rsyslogd", "-n", "-f", conf_, "-i", dir_ / "pid"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ASSERT_EQ(::posix_spawn(&pid_, "/usr/sbin/rsyslogd", nullptr, nullptr, argv.data(), environ), 0);
  }
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  std::vector<Message> received() const {
    std::vector<Message> out;
    std::istringstream lines(test::read_text(dir_ / "received"));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream parts(line);
      Message message;
      for (std::string* part : {&message.priority, &message.host, &message.program, &message.data})
        std::getline(parts, *part, '\t');
      std::getline(parts, message.text, '\0');
      if (message.text.starts_with(' ')) message.text.erase(0, 1);  // What parts it from the tag of RFC 3164.
      out.push_back(message);
    }
    return out;
  }

 private:
  const TempDir& dir_;
  std::string conf_;
  pid_t pid_ = -1;
};

inline bool eventually(const auto& truth) {
  for (int i = 0; i < 1'000; ++i) {
    if (truth()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace de::courier
