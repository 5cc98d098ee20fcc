// Real processes and files for the collector's tests; everything is gone when the object is.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "temp_dir.h"

namespace de::collect::test {

using de::test::TempDir;

// A child that runs `body` and then waits to be killed. Constructed once `body` has run (or exec has happened).
class Child {
 public:
  explicit Child(const std::function<void()>& body) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      body();
      ::close(ready[1]);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char byte = 0;
    // End of file: closed by us above, or by a successful exec.
    if (::read(ready[0], &byte, 1) < 0) std::abort();
    ::close(ready[0]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { stop(); }

  static Child running(std::vector<std::string> argv) {
    return Child([&argv] {
      std::vector<char*> raw;
      for (std::string& argument : argv) raw.push_back(argument.data());
      raw.push_back(nullptr);
      ::execv(raw[0], raw.data());
      ::_exit(127);
    });
  }

  std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  // Dead, but not yet collected: a zombie until stop().
  void kill_only() {
    ::kill(pid_, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, pid(), &info, WEXITED | WNOWAIT);
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace de::collect::test
