// The opener as a process: forked from procmond before it opens anything, and told by it what to read.
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "collect/linux/opener.h"
#include "collect/linux/opener_service.h"
#include "daemon/confine.h"
#include "daemon/sources.h"
#include "daemoneye/base/fault.h"
#include "daemoneye/guard/guard.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

constexpr std::size_t kMaxReport = 4096;
constexpr long kStartSeconds = 5;

// Keeps standard streams and `kept`; everything else is procmond's.
void close_all_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned next = 3;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > next) (void)::syscall(SYS_close_range, next, number - 1, 0U);
    next = number + 1;
  }
  (void)::syscall(SYS_close_range, next, ~0U, 0U);  // A kernel before 5.9 has none; all of ours are close-on-exec.
}

// The first byte says whether it serves: '+' and what it holds, or '-' and why not.
bool report(int channel, char mark, const std::string& text) {
  const std::string message = mark + text.substr(0, kMaxReport - 1);
  return ::send(channel, message.data(), message.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(message.size());
}

[[noreturn]] void run_opener(std::vector<UniqueFd> channels, const Account& self) {
  std::vector<int> kept;
  for (const UniqueFd& channel : channels) kept.push_back(channel.get());
  close_all_but(std::move(kept));
  (void)::prctl(PR_SET_NAME, "procmond-opener", 0UL, 0UL, 0UL);
  // It ends with procmond, not with what is sent to both: procmond asks until its own end.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) (void)std::signal(number, SIG_IGN);
  const int first = channels[0].get();
  guard::GuardOptions options;
  options.uid = self.uid;
  options.gid = self.gid;
  options.keep_caps = guard::kOpenerCaps;
  auto held = guard::drop(options);
  if (const Result<> confined = held ? confine_opener(*held) : fail(Error(held.error())); !confined) {
    (void)report(first, '-', confined.error().message());
    ::_exit(1);
  }
  for (const std::string& note : held->notes) log::warn("opener", "weaker than asked", {log::field("note", note)});
  if (!report(first, '+', held->to_json())) ::_exit(1);
  fault::let_attack("opener");
  const Result<> served = collect::serve_opener(std::move(channels), "/proc");
  if (!served) log::error("opener", "cannot serve", {log::field("reason", served.error().message())});
  ::_exit(served ? 0 : 1);
}

// What the child reports first. Errors: Denied, Io.
Result<std::string> hear(int channel) {
  const timeval patience{kStartSeconds, 0};
  (void)::setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::array<char, kMaxReport> text{};
  ssize_t got = 0;
  do {
    got = ::recv(channel, text.data(), text.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return fail(Errc::Io, "the opener ended, or said nothing within 5 s");
  const std::string said(text.data() + 1, static_cast<std::size_t>(got) - 1);
  if (text[0] != '+') return fail(Errc::Denied, said);
  const timeval forever{};
  (void)::setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever);
  return said;
}

}  // namespace

Result<> start_opener(const Account& self, OpenedSources& out) {
  std::vector<UniqueFd> ours, theirs;
  for (std::size_t i = 0; i < collect::kOpenerChannels; ++i) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
      return fail(Errc::Io, "make a channel to the opener", last_os_error());
    ours.emplace_back(ends[0]);
    theirs.emplace_back(ends[1]);
  }
  const pid_t child = ::fork();
  if (child < 0) return fail(Errc::Io, "start the opener", last_os_error());
  if (child == 0) {
    ours.clear();
    run_opener(std::move(theirs), self);
  }
  theirs.clear();
  (void)std::signal(SIGCHLD, SIG_IGN);  // Nobody waits for it: its channels say when it has ended.
  auto said = hear(ours[0].get());
  if (!said) return fail(std::move(said).error().during("start the opener"));
  out.opener_holds = std::move(*said);
  out.opener = std::make_shared<collect::Opener>(std::move(ours));
  return {};
}

}  // namespace de::daemon
