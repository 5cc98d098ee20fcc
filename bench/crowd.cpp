#include "crowd.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace de::bench {

Crowd::Crowd(std::uint32_t processes) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) return;
  const std::string program = std::string(DE_BIN_DIR) + "/bench_crowd";
  const std::string count = std::to_string(processes);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execl(program.c_str(), program.c_str(), count.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  stdin_ = in[1];
  std::array<char, 16> line{};
  started_ = ::read(out[0], line.data(), line.size()) > 0;
  ::close(out[0]);
}

Crowd::~Crowd() {
  if (stdin_ >= 0) ::close(stdin_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

std::uint32_t live_processes() {
  std::uint32_t count = 0;
  std::error_code ignored;  // A process that ends while we look is not counted.
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) ++count;
  }
  return count;
}

std::chrono::nanoseconds cpu_time(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return {};
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

Memory memory_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps");
  Memory memory;
  bool is_buffer = false;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string key;
    double kb = 0;
    words >> key;
    if (!key.ends_with(':')) is_buffer = line.ends_with("anon_inode:bpf-map");  // The line that a mapping begins with.
    if (!(words >> kb)) continue;
    if (key == "Rss:") memory.resident_mb += kb / 1024;
    if (key == "Rss:" && is_buffer) memory.buffers_mb += kb / 1024;
    if ((key == "Private_Clean:" || key == "Private_Dirty:") && !is_buffer) memory.private_mb += kb / 1024;
  }
  return memory;
}

}  // namespace de::bench
