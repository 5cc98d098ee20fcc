#include "start.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace de::load {
namespace {

struct ReportHead {
  std::uint32_t pid, argc, path_bytes, zero;
  std::uint64_t argv_bytes;
};

}  // namespace

void copy_life(const Life& life, Row& row) {
  row.pid = life.pid;
  row.status = life.status;
  row.error = life.error;
  row.forked_after_ns = life.forked_after_ns;
  row.forked_before_ns = life.forked_before_ns;
  row.reaped_ns = life.reaped_ns;
  row.ppid = ::getpid();
  row.uid = ::getuid();
}

Strings::Strings(std::vector<std::string>& strings) {
  raw_.reserve(strings.size() + 1);
  for (std::string& text : strings) raw_.push_back(text.data());
  raw_.push_back(nullptr);
}

Life spawn(const std::string& path, char* const* argv, char* const* envp, int report_fd) {
  Life life;
  posix_spawn_file_actions_t actions;
  if (report_fd >= 0) {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, report_fd, kReportFd);
  }
  life.forked_after_ns = boot_ns();
  life.error = ::posix_spawn(&life.pid, path.c_str(), report_fd >= 0 ? &actions : nullptr, nullptr, argv, envp);
  life.forked_before_ns = boot_ns();
  if (life.error != 0) life.pid = 0;
  if (report_fd >= 0) ::posix_spawn_file_actions_destroy(&actions);
  return life;
}

Life fork_and(const std::function<void()>& body) {
  Life life;
  life.forked_after_ns = boot_ns();
  const pid_t pid = ::fork();
  if (pid == 0) {
    body();
    ::_exit(125);
  }
  life.forked_before_ns = boot_ns();
  if (pid < 0) {
    life.error = errno;
  } else {
    life.pid = pid;
  }
  return life;
}

void wait_for(Life& life) {
  if (life.pid == 0) return;
  int status = 0;
  pid_t got = -1;
  do got = ::waitpid(life.pid, &status, 0);
  while (got < 0 && errno == EINTR);
  if (got == life.pid) {
    life.status = status;
  } else {
    life.error = errno;
  }
  life.reaped_ns = boot_ns();
}

Pipe::Pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();  // Out of descriptors: there is no test to run.
  read_end.reset(ends[0]);
  write_end.reset(ends[1]);
}

std::optional<Report> read_report(int fd) {
  std::string bytes;
  std::array<char, 65'536> buffer;
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ReportHead head{};
  if (bytes.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, bytes.data(), sizeof head);
  const std::size_t rest = bytes.size() - sizeof head;
  if (head.path_bytes > rest || head.argv_bytes != rest - head.path_bytes) return std::nullopt;
  return Report{head.pid, head.argc, bytes.substr(sizeof head, head.path_bytes),
                bytes.substr(sizeof head + head.path_bytes)};
}

std::string numbers(int code, int ms, int signal, int fd, int execs) {
  std::string out = std::to_string(code) + "," + std::to_string(ms) + "," + std::to_string(signal) + ",";
  if (fd >= 0) out += std::to_string(fd);
  return out + "," + std::to_string(execs);
}

}  // namespace de::load
