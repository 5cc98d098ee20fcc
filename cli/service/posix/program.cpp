#include "service/program.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "daemoneye/base/unique_fd.h"

namespace de::service {
namespace {

constexpr std::size_t kMaxPrinted = 64UL * 1024;

Result<pid_t> start(const Step& step, int out, int err) {
  std::vector<char*> argv;
  for (const std::string& word : step) argv.push_back(const_cast<char*>(word.c_str()));  // spawn() changes nothing.
  argv.push_back(nullptr);
  static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  static char locale[] = "LC_ALL=C.UTF-8";
  char* const environment[] = {path, locale, nullptr};

  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
  // We ignore it; the program is to end when nobody reads any more.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t standard;
  ::sigemptyset(&standard);
  ::sigaddset(&standard, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &standard);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int code = ::posix_spawn(&pid, argv[0], &files, &attributes, argv.data(), environment);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (code == 0) return pid;
  const std::error_code os(code, std::generic_category());
  return fail(os == std::errc::no_such_file_or_directory ? Errc::NotFound : Errc::Io, "run " + step.front(), os);
}

Result<int> wait_for(pid_t pid, const std::string& name) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return fail(Errc::Io, "wait for " + name, last_os_error());
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<int> run_program(const Step& step, int out, int err) {
  DE_TRY(pid, start(step, out, err));
  return wait_for(pid, step.front());
}

Result<Printed> read_program(const Step& step, int err) {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0) return fail(Errc::Io, "make a pipe", last_os_error());
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  DE_TRY(pid, start(step, writing.get(), err));
  writing.reset();
  Printed printed;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(reading.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    // What is beyond the limit is read as well: nobody is left hanging.
    if (printed.text.size() <= kMaxPrinted) printed.text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  DE_TRY(code, wait_for(pid, step.front()));
  printed.exit_code = code;
  if (printed.text.size() > kMaxPrinted) return fail(Errc::TooLarge, step.front() + " printed more than 64 KiB");
  return printed;
}

}  // namespace de::service
