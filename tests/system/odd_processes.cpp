#include "odd_processes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <filesystem>
#include <vector>

namespace de::system_test {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 7> kNames = {"plain",     "a b",       "(x) y)",   "new\nline",
                                               ") S 1 1 (", "tab\there", "quo\"te\\"};
constexpr std::size_t kAlive = 100;
constexpr int kBornTogether = 8;
constexpr useconds_t kPauseUs = 100'000;

// What the n-th process is started with; every shell waits for a line that never comes.
std::vector<std::string> arguments(int n, const std::string& program) {
  const std::vector<std::string> wait = {program, "-c", "read line"};
  auto with = [&wait](std::vector<std::string> more) {
    more.insert(more.begin(), wait.begin(), wait.end());
    return more;
  };
  switch (n % 6) {
    case 0:
      return with({"(a) b", "  two  spaces  "});
    case 1:
      return with({"new\nline", "tab\t", "\x1b[31mred"});
    case 2:
      return with({"", "", "after empty ones", ""});
    case 3:
      return with(std::vector<std::string>(3'000, "many arguments"));
    case 4:
      return with({std::string(100'000, 'x')});
    default:
      return {};  // The kernel makes one empty argument of it; a shell without arguments reads its input.
  }
}

pid_t start_one(int n, const std::string& dir, int input) {
  const std::string program = dir + "/" + kNames[static_cast<std::size_t>(n) % kNames.size()];
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(input, STDIN_FILENO);
  std::vector<std::string> words = arguments(n, program);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

[[noreturn]] void keep_starting(const std::string& dir) {
  std::array<int, 2> never{};
  if (::pipe2(never.data(), O_CLOEXEC) != 0) ::_exit(1);
  std::deque<pid_t> alive;
  for (int n = 0;; ++n) {
    alive.push_back(start_one(n, dir, never[0]));
    if (alive.size() > kAlive) {
      ::kill(alive.front(), SIGKILL);
      ::waitpid(alive.front(), nullptr, 0);
      alive.pop_front();
    }
    if (n % kBornTogether == 0) ::usleep(kPauseUs);
  }
}

}  // namespace

OddProcesses::OddProcesses(std::string dir) {
  for (const char* name : kNames) fs::copy_file("/bin/sh", dir + "/" + name, fs::copy_options::overwrite_existing);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    keep_starting(dir);
  }
}

OddProcesses::~OddProcesses() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace de::system_test
