#include "supervise/launcher.h"

#include <unistd.h>

#include <cstring>

#include "daemoneye/base/side_process.h"
#include "supervise/launcher_wire.h"

namespace de::supervise {
namespace {

constexpr std::size_t kMaxMessage = sizeof(LauncherReply) + kMaxLauncherText;

[[noreturn]] void be_the_launcher(const UniqueFd& channel, const std::vector<ChildOptions>& programs) {
  become_side_process("agent-launcher", {channel.get()});
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
  DE_TRY(channel, make_channel());
  const pid_t child = ::fork();
  if (child < 0) return fail(Errc::Io, "start the launcher", last_os_error());
  if (child == 0) {
    channel.ours.reset();
    be_the_launcher(channel.theirs, programs);
  }
  return std::unique_ptr<Launcher>(new Launcher(std::move(channel.ours), child));
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
  Result<Packet> received = fail(Errc::Closed, "");
  if (send_packet(channel_.get(), message)) received = receive_packet(channel_.get(), kMaxMessage);
  Answer out;
  if (!received || received->bytes.size() < sizeof out.reply)
    return fail(Errc::Closed, "the launcher has ended: restart the agent");
  std::memcpy(&out.reply, received->bytes.data(), sizeof out.reply);
  out.fd = std::move(received->fd);
  if (out.reply.failed < 0) return out;
  const std::string said(received->bytes.begin() + sizeof out.reply, received->bytes.end());
  return fail(static_cast<Errc>(out.reply.failed), said);
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
