// The opener as a process: forked from procmond before it opens anything, and told by it what to read.
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "collect/linux/opener.h"
#include "collect/linux/opener_service.h"
#include "daemon/confine.h"
#include "daemon/sources.h"
#include "daemoneye/base/fault.h"
#include "daemoneye/base/side_process.h"
#include "daemoneye/guard/guard.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

constexpr std::size_t kMaxReport = 4096;
constexpr long kStartSeconds = 5;

// The first byte says whether it serves: '+' and what it holds, or '-' and why not.
bool report(int channel, char mark, const std::string& text) {
  return send_packet(channel, mark + text.substr(0, kMaxReport - 1)).has_value();
}

[[noreturn]] void run_opener(std::vector<UniqueFd> channels, const Account& self) {
  std::vector<int> kept;
  for (const UniqueFd& channel : channels) kept.push_back(channel.get());
  become_side_process("procmond-opener", std::move(kept));
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
  const auto heard = receive_packet(channel, kMaxReport);
  if (!heard) return fail(Errc::Io, "the opener ended, or said nothing within 5 s");
  const std::string said(heard->bytes.begin() + 1, heard->bytes.end());
  if (heard->bytes[0] != '+') return fail(Errc::Denied, said);
  const timeval forever{};
  (void)::setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever);
  return said;
}

}  // namespace

Result<> start_opener(const Account& self, OpenedSources& out) {
  std::vector<UniqueFd> ours, theirs;
  for (std::size_t i = 0; i < collect::kOpenerChannels; ++i) {
    DE_TRY(channel, make_channel());
    ours.push_back(std::move(channel.ours));
    theirs.push_back(std::move(channel.theirs));
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
