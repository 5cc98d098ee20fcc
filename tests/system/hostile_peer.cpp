#include "hostile_peer.h"

#include <fcntl.h>
#include <google/protobuf/message_lite.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "daemoneye/control.pb.h"
#include "daemoneye/frame/frame.h"
#include "daemons.h"

namespace de::system_test {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxAnswerBytes = 8UL << 20;  // More than any frame of ours.

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

int left_ms(Deadline end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 600'000));
}

bool wait_for(int fd, short what, Deadline end) {
  pollfd wanted{fd, what, 0};
  return ::poll(&wanted, 1, left_ms(end)) == 1;
}

bool is_try_again() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

std::string frame_of(std::string_view payload, std::optional<std::uint32_t> claimed) {
  std::array<std::byte, frame::kHeaderBytes> header{};
  frame::write_header(header, payload);
  std::string out(reinterpret_cast<const char*>(header.data()), header.size());
  if (claimed)
    for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<char>(*claimed >> (8 * i) & 0xff);
  return out.append(payload);
}

std::string frame_of(const google::protobuf::MessageLite& message) { return frame_of(message.SerializeAsString()); }

Wire Wire::dial(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = address_of(path);
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return Wire(std::move(socket));
}

Wire Wire::dial_until(const std::string& path, Deadline end) {
  for (;;) {
    Wire wire = dial(path);
    if (wire.is_open() || is_over(end)) return wire;
    std::this_thread::sleep_for(100us);  // As link::dial does.
  }
}

std::size_t Wire::offer(std::string_view bytes) {
  if (!socket_) return 0;
  const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && !is_try_again()) close();
  return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

bool Wire::send(std::string_view bytes, Deadline end) {
  while (socket_ && !bytes.empty()) {
    const std::size_t sent = offer(bytes);
    bytes.remove_prefix(sent);
    if (sent == 0 && socket_ && !wait_for(socket_.get(), POLLOUT, end)) close();
  }
  return is_open();
}

bool Wire::read(void* into, std::size_t bytes, Deadline end) {
  char* at = static_cast<char*>(into);
  while (socket_ && bytes > 0) {
    const ssize_t got = ::recv(socket_.get(), at, bytes, MSG_DONTWAIT);
    if (got > 0) {
      at += got;
      bytes -= static_cast<std::size_t>(got);
    } else if (got == 0 || !is_try_again() || !wait_for(socket_.get(), POLLIN, end)) {
      close();
    }
  }
  return is_open();
}

std::optional<std::string> Wire::receive(Deadline end) {
  std::array<std::byte, frame::kHeaderBytes> raw{};
  if (!read(raw.data(), raw.size(), end)) return std::nullopt;
  const auto header = frame::read_header(raw, kMaxAnswerBytes);
  std::string payload(header ? header->payload_bytes : 0, '\0');
  if (!header || !read(payload.data(), payload.size(), end)) close();
  if (!is_open()) return std::nullopt;
  return payload;
}

bool Wire::is_hung_up() const {
  pollfd wanted{socket_.get(), POLLRDHUP, 0};
  return !socket_ || (::poll(&wanted, 1, 0) == 1 && (wanted.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0);
}

WireListener::WireListener(const std::string& path, std::optional<uid_t> uid)
    : path_(path), socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  (void)::unlink(path.c_str());
  const sockaddr_un address = address_of(path);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0666) != 0)
    throw std::runtime_error("bind " + path);
  // The kernel keeps who called listen().
  const bool is_other = uid && *uid != ::geteuid();
  if (is_other && ::seteuid(*uid) != 0) throw std::runtime_error("become the agent's user");
  const int listening = ::listen(socket_.get(), 16);
  if (is_other && ::seteuid(0) != 0) throw std::runtime_error("become root again");
  if (listening != 0) throw std::runtime_error("listen on " + path);
}

WireListener::~WireListener() {
  (void)::unlink(path_.c_str());  // Gone already when a daemon took its place.
}

Wire WireListener::accept(Deadline end) {
  if (!wait_for(socket_.get(), POLLIN, end)) return {};
  return Wire(UniqueFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
}

Actor::Actor(const User& user, const std::function<void()>& act) {
  pid_ = ::fork();
  if (pid_ != 0) return;
  if (user.uid && (::setgroups(1, &user.gid) != 0 || ::setresgid(user.gid, user.gid, user.gid) != 0 ||
                   ::setresuid(*user.uid, *user.uid, *user.uid) != 0))
    ::_exit(3);
  act();
  ::_exit(0);
}

Actor::~Actor() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Actor::has_ended_well(std::chrono::milliseconds limit) {
  int status = 0;
  if (pid_ <= 0 || !eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, limit)) return false;
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

double Waits::at(double share) const {
  if (ms.empty()) return 0;
  return ms[std::min(ms.size() - 1, static_cast<std::size_t>(share * static_cast<double>(ms.size())))];
}

namespace {

// Empty: answered to its end, which says it was not refused.
std::string ask_once(const std::string& socket, const std::string& frame, Deadline end) {
  Wire wire = Wire::dial_until(socket, end);
  if (!wire.is_open()) return "not connected";
  if (!wire.send(frame, end)) return "not sent";
  while (const auto payload = wire.receive(end)) {
    pb::ControlReply reply;
    if (!reply.ParseFromString(*payload)) return "no reply";
    if (!reply.has_trailer()) continue;
    const bool is_refused =
        reply.trailer().status() == pb::STATUS_FAILED || reply.trailer().status() == pb::STATUS_DENIED;
    return is_refused ? reply.trailer().message() : "";
  }
  return "no trailer";
}

void ask(int out, const std::string& socket, const std::vector<std::string>& frames, std::size_t times,
         std::chrono::milliseconds pause, Deadline end) {
  constexpr auto kPatience = 20s;
  std::ostringstream text;
  for (std::size_t i = 0; i < times && !is_over(end); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string failure = ask_once(socket, frames[i % frames.size()], deadline_in(kPatience));
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    if (failure.empty())
      text << took.count() << "\n";
    else
      text << "- " << failure << "\n";
    std::this_thread::sleep_for(pause);
  }
  const std::string all = text.str();
  for (std::size_t done = 0; done < all.size();) {
    const ssize_t wrote = ::write(out, all.data() + done, all.size() - done);
    if (wrote <= 0) return;
    done += static_cast<std::size_t>(wrote);
  }
}

}  // namespace

Waits ask_steadily(const User& user, const std::string& socket, const std::vector<std::string>& frames,
                   std::size_t times, std::chrono::milliseconds pause, Deadline end) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  UniqueFd from(ends[0]), to(ends[1]);
  Actor actor(user, [&] { ask(to.get(), socket, frames, times, pause, end); });
  to.reset();
  std::string all;
  std::array<char, 65'536> some{};
  for (ssize_t got; (got = ::read(from.get(), some.data(), some.size())) > 0;)
    all.append(some.data(), static_cast<std::size_t>(got));
  Waits out;
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("- ")) {
      ++out.failures;
      out.failure = line.substr(2);
    } else {
      out.ms.push_back(std::stod(line));
    }
  }
  std::sort(out.ms.begin(), out.ms.end());
  return out;
}

std::uint64_t private_kb(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8));
  return 0;
}

double cpu_seconds(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(in, stat);
  const std::size_t name_end = stat.rfind(')');
  if (name_end == stat.npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

MemoryWatch::MemoryWatch(pid_t pid)
    : before_kb_(private_kb(pid)),
      most_kb_(make_shared_by_processes<std::atomic<std::uint64_t>>()),
      looks_(User{}, [this, pid] {
        for (const Deadline end = deadline_in(10min); !is_over(end); std::this_thread::sleep_for(20ms))
          *most_kb_ = std::max<std::uint64_t>(*most_kb_, private_kb(pid));
      }) {}

std::string repeat(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

void flood(Wire& wire, Tally& tally, Deadline end, const std::string& message) {
  const std::string many = repeat(message, kMessagesAtOnce);
  std::size_t at = 0;  // In `many`: no frame is ever cut.
  std::uint64_t bytes = 0;
  while (wire.is_open() && !is_over(end)) {
    const std::size_t sent = wire.offer(std::string_view(many).substr(at));
    at = (at + sent) % many.size();
    tally.offered += (bytes + sent) / message.size() - bytes / message.size();
    bytes += sent;
    if (sent == 0) std::this_thread::sleep_for(200us);
  }
}

}  // namespace de::system_test
