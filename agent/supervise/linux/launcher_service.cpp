// The launcher's side: see launcher.h.
#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "daemoneye/base/side_process.h"
#include "supervise/launcher.h"
#include "supervise/launcher_wire.h"

namespace de::supervise {
namespace {

constexpr std::uint32_t kLongestGraceMs = 60'000;

struct Request {
  LauncherRequest head;
  std::vector<std::string> variables;
};

// Absent: it does not keep to the shape of a request.
std::optional<Request> parse(const char* bytes, std::size_t size, std::size_t programs) {
  Request out;
  if (size < sizeof out.head) return std::nullopt;
  std::memcpy(&out.head, bytes, sizeof out.head);
  if (out.head.program >= programs || out.head.grace_ms > kLongestGraceMs) return std::nullopt;
  if (out.head.variables_bytes != size - sizeof out.head) return std::nullopt;
  const char* next = bytes + sizeof out.head;
  const char* const end = bytes + size;
  while (next != end) {
    const char* const stop = std::find(next, end, '\0');
    if (stop == end) return std::nullopt;
    out.variables.emplace_back(next, stop);
    next = stop + 1;
  }
  return out;
}

void put_error(const Error& error, LauncherReply& reply, std::string& text) {
  reply.failed = static_cast<std::int32_t>(error.code());
  text = error.message().substr(0, kMaxLauncherText);
}

void put_state(const Result<ChildState>& state, LauncherReply& reply, std::string& text) {
  if (!state) return put_error(state.error(), reply, text);
  reply.kind = static_cast<std::int32_t>(state->kind);
  reply.value = state->value;
}

bool send(const UniqueFd& channel, const Request& request, LauncherReply reply, const std::string& text, int fd = -1) {
  reply.number = request.head.number;
  reply.text_bytes = static_cast<std::uint32_t>(text.size());
  std::string message(sizeof reply, '\0');
  std::memcpy(message.data(), &reply, sizeof reply);
  return send_packet(channel.get(), message + text, fd).has_value();
}

class Service {
 public:
  Service(const UniqueFd& channel, const std::vector<ChildOptions>& programs)
      : channel_(channel), programs_(programs) {}

  bool answer(const Request& request) {
    LauncherReply reply;
    std::string text;
    const auto running = running_.find(request.head.program);
    if (request.head.what == kAskStart) return start(request);
    if (running == running_.end()) {
      put_error(Error(Errc::NotFound, "it was not started"), reply, text);
    } else if (request.head.what == kAskPoll) {
      put_state(running->second.poll(), reply, text);
    } else if (request.head.what == kAskStop) {
      put_state(running->second.stop(std::chrono::milliseconds(request.head.grace_ms)), reply, text);
    } else {
      return false;
    }
    return send(channel_, request, reply, text);
  }

 private:
  bool start(const Request& request) {
    LauncherReply reply;
    std::string text;
    const auto known = running_.find(request.head.program);
    if (known != running_.end()) {
      const Result<ChildState> state = known->second.poll();
      if (!state || state->kind == ChildState::Kind::Running) {
        put_error(Error(Errc::Conflict, programs_[request.head.program].argv[0] + " runs already"), reply, text);
        return send(channel_, request, reply, text);
      }
      running_.erase(known);
    }
    ChildOptions options = programs_[request.head.program];
    options.environment.insert(options.environment.end(), request.variables.begin(), request.variables.end());
    Result<Child> started = Child::start(options);
    if (!started) {
      put_error(started.error(), reply, text);
      return send(channel_, request, reply, text);
    }
    reply.pid = started->pid();
    const UniqueFd channel = started->take_channel();
    const int fd = channel ? channel.get() : started->wait_fd();
    running_.emplace(request.head.program, std::move(*started));
    return send(channel_, request, reply, text, fd);
  }

  const UniqueFd& channel_;
  const std::vector<ChildOptions>& programs_;
  std::map<std::uint32_t, Child> running_;  // What ends is kept until it is started again: how it ended.
};

}  // namespace

void serve_launcher(const UniqueFd& channel, const std::vector<ChildOptions>& programs) {
  Service service(channel, programs);
  for (;;) {
    const auto received = receive_packet(channel.get(), sizeof(LauncherRequest) + kMaxFreshBytes);
    if (!received) return;
    const auto request = parse(received->bytes.data(), received->bytes.size(), programs.size());
    if (!request || !service.answer(*request)) return;
  }
}

}  // namespace de::supervise
