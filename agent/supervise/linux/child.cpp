#include "supervise/child.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "daemoneye/base/side_process.h"

namespace de::supervise {
namespace {

constexpr std::chrono::milliseconds kKillLimit{5000};  // After SIGKILL only a task stuck in the kernel needs longer.

// What the forked child does next; its position is the error report when a step fails.
enum class Step : int { Session, Signals, Input, Output, Groups, Group, User, Regain, Descriptors, ParentDeath, Exec };
constexpr std::array<std::string_view, 11> kStepNames = {
    "start a session", "reset signals", "open /dev/null", "redirect output",    "set groups", "set group",
    "set user",        "root regained", "close files",    "set parent's death", "exec"};

struct Report {
  Step step;
  int error;
};

// Everything the child needs, laid out before fork(): between fork and exec only async-signal-safe calls are legal,
// because another thread may have held any lock (malloc's, for one) at the moment of the fork.
struct Plan {
  const char* path;
  char* const* argv;
  char* const* environment;
  const RunAs* run_as;
  int input_fd;  // Negative: nothing to read.
  int log_fd;
  int report_fd;
  pid_t parent;
};

[[noreturn]] void give_up(const Plan& plan, Step step) {
  const Report report{step, errno};
  (void)!::write(plan.report_fd, &report, sizeof report);  // Nobody is left to tell if this fails.
  ::_exit(127);
}

void reset_signals(const Plan& plan) {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) (void)::sigaction(number, &standard, nullptr);  // KILL, STOP refuse.
  sigset_t none;
  ::sigemptyset(&none);
  if (::sigprocmask(SIG_SETMASK, &none, nullptr) != 0) give_up(plan, Step::Signals);
}

// System calls by number: glibc's setters synchronise with threads that do not exist in the child.
void become(const Plan& plan, const RunAs& who) {
  if (::syscall(SYS_setgroups, who.groups.size(), who.groups.data()) != 0) give_up(plan, Step::Groups);
  if (::syscall(SYS_setresgid, who.gid, who.gid, who.gid) != 0) give_up(plan, Step::Group);
  if (::syscall(SYS_setresuid, who.uid, who.uid, who.uid) != 0) give_up(plan, Step::User);
  if (who.uid != 0 && ::syscall(SYS_setresuid, -1, 0, -1) == 0) give_up(plan, Step::Regain);
}

[[noreturn]] void run_child(const Plan& plan) {
  if (::setsid() < 0) give_up(plan, Step::Session);
  reset_signals(plan);
  const int input = plan.input_fd >= 0 ? plan.input_fd : ::open("/dev/null", O_RDONLY);
  if (input < 0 || ::dup2(input, STDIN_FILENO) < 0) give_up(plan, Step::Input);
  if (plan.log_fd >= 0 && (::dup2(plan.log_fd, STDOUT_FILENO) < 0 || ::dup2(plan.log_fd, STDERR_FILENO) < 0))
    give_up(plan, Step::Output);
  if (plan.run_as != nullptr) become(plan, *plan.run_as);
  // On exec, not now: the report pipe must survive until then.
  if (::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0) give_up(plan, Step::Descriptors);
  // After the change of user, which clears it. The parent may have died before this line: then nobody sends it.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != plan.parent) give_up(plan, Step::ParentDeath);
  ::execve(plan.path, plan.argv, plan.environment);
  give_up(plan, Step::Exec);
}

bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

Result<> check(const ChildOptions& options) {
  if (options.argv.empty() || options.argv[0].empty() || options.argv[0][0] != '/')
    return fail(Errc::Invalid, "start program: the path must be absolute");
  if (options.argv.size() > kMaxWords || options.environment.size() > kMaxWords)
    return fail(Errc::Invalid, "start program: more than " + std::to_string(kMaxWords) + " arguments or variables");
  if (std::ranges::any_of(options.argv, has_nul) || std::ranges::any_of(options.environment, has_nul))
    return fail(Errc::Invalid, "start program: an argument or variable contains a zero byte");
  for (const std::string& variable : options.environment)
    if (variable.find('=') == 0 || variable.find('=') == std::string::npos)
      return fail(Errc::Invalid, "start program: environment needs NAME=value");
  if (options.run_as && options.run_as->groups.size() > 64)
    return fail(Errc::Invalid, "start program: more than 64 groups");
  return {};
}

// Ours, with the additions in place of variables of the same name.
std::vector<std::string> merge_environment(const std::vector<std::string>& additions) {
  std::vector<std::string> merged = additions;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    const std::string_view prefix = variable.substr(0, variable.find('=') + 1);
    const auto replaces = [&](const std::string& added) { return !prefix.empty() && added.starts_with(prefix); };
    if (std::ranges::none_of(additions, replaces)) merged.emplace_back(variable);
  }
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

Result<UniqueFd> open_log(const std::string& path) {
  if (path.empty()) return UniqueFd();
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640));
  if (!fd) return fail(Errc::Io, "open log " + path, last_os_error());
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail(Errc::Io, "read log " + path, last_os_error());
  if (!S_ISREG(info.st_mode)) return fail(Errc::Invalid, "log " + path + " is not a regular file");
  return fd;
}

Errc to_errc(int error) {
  if (error == ENOENT || error == ENOTDIR) return Errc::NotFound;
  if (error == EACCES || error == EPERM) return Errc::Denied;
  return Errc::Io;
}

// Waits for exec (the pipe closes without a word) or for the child's report of what failed.
Result<> await_exec(int report_fd, const std::string& path) {
  Report report{};
  ssize_t got = 0;
  do {
    got = ::read(report_fd, &report, sizeof report);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return {};
  if (got != sizeof report) return fail(Errc::Io, "start " + path, last_os_error());
  return fail(to_errc(report.error),
              "start " + path + ": " + std::string(kStepNames.at(static_cast<std::size_t>(report.step))),
              {report.error, std::generic_category()});
}

void reap(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

std::string describe(const ChildState& state) {
  if (state.kind == ChildState::Kind::Running) return "running";
  if (state.kind == ChildState::Kind::Exited) return "exited with code " + std::to_string(state.value);
  return "killed by signal " + std::to_string(state.value);
}

Result<Child> Child::start(const ChildOptions& options) {
  DE_CHECK(check(options));
  std::vector<std::string> words = options.argv;
  std::vector<std::string> variables = merge_environment(options.environment);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> environment = pointers(variables);
  DE_TRY(log, open_log(options.log_path));
  Channel channel;
  if (options.has_channel) {
    DE_TRY(made, make_channel());
    channel = std::move(made);
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(Errc::Io, "start program: pipe", last_os_error());
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const Plan plan{words[0].c_str(),     argv.data(), environment.data(), options.run_as ? &*options.run_as : nullptr,
                  channel.theirs.get(), log.get(),   writer.get(),       ::getpid()};
  // Blocked around the fork: a handler of ours must not run in the child.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) run_child(plan);
  const std::error_code os = last_os_error();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return fail(Errc::Exhausted, "start " + words[0] + ": fork", os);
  writer.reset();
  if (auto running = await_exec(reader.get(), words[0]); !running) {
    reap(pid);
    return fail(std::move(running).error());
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const std::error_code reason = last_os_error();
    (void)::kill(-pid, SIGKILL);  // It is ours and not reaped: the number is still its own.
    reap(pid);
    return fail(Errc::Unsupported, "watch " + words[0] + ": pidfd_open (needs Linux 5.3)", reason);
  }
  return Child(pid, std::move(pidfd), std::move(channel.ours));
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      channel_(std::move(other.channel_)),
      ended_(other.ended_) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  if (pid_ > 0) (void)stop(std::chrono::milliseconds(0));  // Nothing more can be done about a failure here.
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  channel_ = std::move(other.channel_);
  ended_ = other.ended_;
  return *this;
}

Child::~Child() {
  if (pid_ > 0) (void)stop(std::chrono::milliseconds(0));  // As above.
}

Result<ChildState> Child::poll() {
  if (ended_) return *ended_;
  if (pid_ <= 0) return fail(Errc::Invalid, "watch program: moved from");
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0)
    return fail(Errc::Io, "watch program", last_os_error());
  if (info.si_pid == 0) return ChildState{};
  // Not reaped yet, so the group's number still means its group: what it left behind goes with it.
  (void)::kill(-pid_, SIGKILL);  // ESRCH: nothing was left.
  reap(pid_);
  const bool exited = info.si_code == CLD_EXITED;
  ended_ = ChildState{exited ? ChildState::Kind::Exited : ChildState::Kind::Signalled, info.si_status};
  return *ended_;
}

bool Child::wait_for_end(std::chrono::milliseconds limit) const {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd entry{pidfd_.get(), POLLIN, 0};
    const auto timeout = std::clamp<std::int64_t>(left.count(), 0, 60'000);
    const int ready = ::poll(&entry, 1, static_cast<int>(timeout));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (left.count() <= 0) return false;
  }
}

Result<ChildState> Child::stop(std::chrono::milliseconds grace) {
  DE_TRY(state, poll());
  if (state.kind != ChildState::Kind::Running) return state;
  if (grace.count() > 0) {
    // SIGCONT too: a stopped program cannot act on SIGTERM.
    (void)::kill(pid_, SIGTERM);  // Not reaped, so it is still ours; a refusal (its uid changed) shows in the wait.
    (void)::kill(pid_, SIGCONT);
    if (wait_for_end(grace)) return poll();
  }
  if (::kill(-pid_, SIGKILL) != 0 && errno != ESRCH) return fail(Errc::Denied, "kill program", last_os_error());
  if (!wait_for_end(kKillLimit)) return fail(Errc::Timeout, "program does not end after SIGKILL");
  return poll();
}

}  // namespace de::supervise
