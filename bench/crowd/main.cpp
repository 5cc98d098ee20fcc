// bench_crowd N: N processes that sleep, each with a name and arguments of its own. Prints a line when all of them have
// executed, and ends, with all of them, when its standard input does.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

// Not the names of system daemons: rules would find impostors.
constexpr std::array<const char*, 12> kNames = {"mailer", "indexer", "proxy",  "queue",  "ticker", "render",
                                                "sync",   "search",  "report", "import", "cache",  "worker"};

// Never returns.
void become_sleeper(int number, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  std::string name = kNames[static_cast<std::size_t>(number) % kNames.size()];
  std::string config = "--config=/etc/" + name + "/" + std::to_string(number % 200) + ".conf";
  std::string listen = "--listen=10.0.0." + std::to_string(number % 250);
  std::array<char*, 4> argv{name.data(), config.data(), listen.data(), nullptr};
  ::execv("/proc/self/exe", argv.data());
  ::_exit(1);
}

int start(int count) {
  std::array<int, 2> executed{};
  if (::pipe2(executed.data(), O_CLOEXEC) != 0) return 1;
  ::setpgid(0, 0);
  const pid_t self = ::getpid();
  for (int i = 0; i < count; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) become_sleeper(i, self);
    if (pid < 0) {
      std::perror("bench_crowd: fork");
      return 1;
    }
  }
  ::close(executed[1]);
  char byte = 0;
  while (::read(executed[0], &byte, 1) > 0) continue;  // Its end: the last child has executed.
  if (::waitpid(-1, nullptr, WNOHANG) > 0) return 1;
  std::puts("ready");
  std::fflush(stdout);
  while (::read(STDIN_FILENO, &byte, 1) > 0) continue;
  // Gone for good before we are: what is measured next must not find them.
  ::signal(SIGTERM, SIG_IGN);
  ::kill(0, SIGTERM);
  while (::wait(nullptr) > 0) continue;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) return start(std::atoi(argv[1]));
  if (argc < 2) return 2;
  ::prctl(PR_SET_NAME, argv[0]);
  for (;;) ::pause();
}
