#include "supervise/launcher.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "supervise/launcher_wire.h"

namespace de::supervise {
namespace {

constexpr std::size_t kMaxMessage = sizeof(LauncherReply) + kMaxLauncherText;

[[noreturn]] void be_the_launcher(const UniqueFd& channel, const std::vector<ChildOptions>& programs) {
  (void)::prctl(PR_SET_NAME, "agent-launcher", 0UL, 0UL, 0UL);
  // It ends with the agent: a signal for both must not leave the agent without it.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) (void)::signal(number, SIG_IGN);
  const auto number = static_cast<unsigned>(channel.get());
  if (number > 3) (void)::syscall(SYS_close_range, 3U, number - 1, 0U);
  (void)::syscall(SYS_close_range, number + 1, ~0U, 0U);
  serve_launcher(channel, programs);
  ::_exit(0);
}

}  // namespace

struct Launcher::Answer {
  LauncherReply reply;
  UniqueFd fd;
};

Result<std::unique_ptr<Launcher>> Launcher::fork(std::vector<ChildOptions> programs) {
  if (programs.size() > kMaxPrograms)
    return fail(Errc::Invalid, "more than " + std::to_string(kMaxPrograms) + " programs to start");
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail(Errc::Io, "make a channel to the launcher", last_os_error());
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail(Errc::Io, "start the launcher", last_os_error());
  if (child == 0) {
    ours.reset();
    be_the_launcher(theirs, programs);
  }
  return std::unique_ptr<Launcher>(new Launcher(std::move(ours), child));
}

Result<Launcher::Answer> Launcher::ask(int what, std::size_t program, std::uint32_t grace_ms,
                                       const std::vector<std::string>& variables) {
  LauncherRequest request;
  request.what = static_cast<std::uint32_t>(what);
  request.program = static_cast<std::uint32_t>(program);
  request.grace_ms = grace_ms;
  std::string text;
  for (const std::string& variable : variables) text.append(variable).push_back('\0');
  if (text.size() > kMaxFreshBytes) return fail(Errc::TooLarge, "start program: too many variables");
  request.variables_bytes = static_cast<std::uint32_t>(text.size());
  std::string message(sizeof request, '\0');
  std::memcpy(message.data(), &request, sizeof request);
  message += text;
  const auto gone = [] { return fail(Errc::Closed, "the launcher has ended: restart the agent"); };
  if (::send(channel_.get(), message.data(), message.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(message.size()))
    return gone();

  std::array<char, kMaxMessage> bytes{};
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr head{};
  head.msg_iov = &part;
  head.msg_iovlen = 1;
  head.msg_control = control;
  head.msg_controllen = sizeof control;
  ssize_t got = 0;
  do {
    got = ::recvmsg(channel_.get(), &head, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  Answer out;
  if (const cmsghdr* first = CMSG_FIRSTHDR(&head);
      first != nullptr && first->cmsg_type == SCM_RIGHTS && first->cmsg_len == CMSG_LEN(sizeof(int))) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(first), sizeof fd);
    out.fd.reset(fd);
  }
  if (got < static_cast<ssize_t>(sizeof out.reply)) return gone();
  std::memcpy(&out.reply, bytes.data(), sizeof out.reply);
  if (out.reply.failed < 0) return out;
  const std::size_t said =
      std::min<std::size_t>(out.reply.text_bytes, static_cast<std::size_t>(got) - sizeof out.reply);
  return fail(static_cast<Errc>(out.reply.failed), std::string(bytes.data() + sizeof out.reply, said));
}

Result<Launcher::Started> Launcher::start(std::size_t program, const std::vector<std::string>& variables) {
  DE_TRY(answer, ask(kAskStart, program, 0, variables));
  if (!answer.fd || answer.reply.pid <= 0) return fail(Errc::Corrupt, "the launcher started nothing");
  return Started{answer.reply.pid, std::move(answer.fd)};
}

Result<ChildState> Launcher::poll(std::size_t program) {
  DE_TRY(answer, ask(kAskPoll, program, 0, {}));
  return ChildState{static_cast<ChildState::Kind>(answer.reply.kind), answer.reply.value};
}

Result<ChildState> Launcher::stop(std::size_t program, std::chrono::milliseconds grace) {
  DE_TRY(answer, ask(kAskStop, program, static_cast<std::uint32_t>(grace.count()), {}));
  return ChildState{static_cast<ChildState::Kind>(answer.reply.kind), answer.reply.value};
}

}  // namespace de::supervise
