#include "supervise/launcher.h"

#include <unistd.h>

#include <cstring>

#include "supervise/launcher_wire.h"

namespace de::supervise {
namespace {

constexpr std::size_t kMaxMessage = sizeof(LauncherReply) + kMaxLauncherText;

[[noreturn]] void be_the_launcher(const UniqueFd& channel, const std::vector<ChildOptions>& programs) {
  become_side_process("agent-launcher", {channel.get()});
  serve_launcher(channel, programs);
  ::_exit(0);
}

Result<> await(const UniqueFd& channel, Ready ready, std::chrono::steady_clock::time_point until) {
  if (await_channel(channel.get(), ready, until)) return {};
  return fail(Errc::Timeout, "the launcher does not answer");
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

// Of several replies the one that was asked for last; those before it came too late.
Result<Packet> Launcher::receive_reply(std::chrono::steady_clock::time_point until) {
  for (;;) {
    DE_CHECK(await(channel_, Ready::Reading, until));
    auto received = receive_packet(channel_.get(), kMaxMessage);
    LauncherReply reply;
    if (!received || received->bytes.size() < sizeof reply)
      return fail(Errc::Closed, "the launcher has ended: restart the agent");
    std::memcpy(&reply, received->bytes.data(), sizeof reply);
    if (reply.number == asked_) return received;
  }
}

bool Launcher::take_turn(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(turn_);
  if (!turn_ended_.wait_until(lock, until, [this] { return !asking_; })) return false;
  asking_ = true;
  return true;
}

void Launcher::end_turn() {
  const std::lock_guard lock(turn_);
  asking_ = false;
  turn_ended_.notify_one();
}

Result<Launcher::Answer> Launcher::ask(LauncherRequest request, const std::vector<std::string>& variables,
                                       Limit limit) {
  std::string text;
  for (const std::string& variable : variables) text.append(variable).push_back('\0');
  if (text.size() > kMaxFreshBytes) return fail(Errc::TooLarge, "start program: too many variables");
  request.variables_bytes = static_cast<std::uint32_t>(text.size());
  const auto until = std::chrono::steady_clock::now() + limit;
  if (!take_turn(until)) return fail(Errc::Timeout, "the launcher does not answer somebody else");
  Result<Answer> answer = ask_now(request, text, until);
  end_turn();
  return answer;
}

Result<Launcher::Answer> Launcher::ask_now(LauncherRequest request, const std::string& text,
                                           std::chrono::steady_clock::time_point until) {
  request.number = ++asked_;
  std::string message(sizeof request, '\0');
  std::memcpy(message.data(), &request, sizeof request);
  DE_CHECK(await(channel_, Ready::Writing, until));  // Full: of what one that stands still did not read.
  if (!send_packet(channel_.get(), message + text))
    return fail(Errc::Closed, "the launcher has ended: restart the agent");
  DE_TRY(received, receive_reply(until));
  Answer out;
  std::memcpy(&out.reply, received.bytes.data(), sizeof out.reply);
  out.fd = std::move(received.fd);
  if (out.reply.failed < 0) return out;
  const std::string said(received.bytes.begin() + sizeof out.reply, received.bytes.end());
  return fail(static_cast<Errc>(out.reply.failed), said);
}

Result<Launcher::Started> Launcher::start(std::size_t program, const std::vector<std::string>& variables, Limit limit) {
  DE_TRY(answer, ask({kAskStart, static_cast<std::uint32_t>(program)}, variables, limit));
  if (!answer.fd || answer.reply.pid <= 0) return fail(Errc::Corrupt, "the launcher started nothing");
  return Started{answer.reply.pid, std::move(answer.fd)};
}

Result<ChildState> Launcher::poll(std::size_t program, Limit limit) {
  DE_TRY(answer, ask({kAskPoll, static_cast<std::uint32_t>(program)}, {}, limit));
  return ChildState{static_cast<ChildState::Kind>(answer.reply.kind), answer.reply.value};
}

Result<ChildState> Launcher::stop(std::size_t program, Limit grace) {
  const LauncherRequest request{kAskStop, static_cast<std::uint32_t>(program),
                                static_cast<std::uint32_t>(grace.count())};
  DE_TRY(answer, ask(request, {}, grace + kPatience));
  return ChildState{static_cast<ChildState::Kind>(answer.reply.kind), answer.reply.value};
}

}  // namespace de::supervise
