// Peers that do not keep to the protocol: bytes on a Unix socket as they come, from processes that may be other users,
// and what it costs those they do it to. Everything here ends at a deadline.
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemoneye/base/unique_fd.h"

namespace google::protobuf {
class MessageLite;
}

namespace de::system_test {

using Deadline = std::chrono::steady_clock::time_point;

inline Deadline deadline_in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }
inline bool is_over(Deadline end) { return std::chrono::steady_clock::now() >= end; }

// A frame as docs/wire.md describes it. `claimed` bytes in the header when they are not the payload's.
std::string frame_of(std::string_view payload, std::optional<std::uint32_t> claimed = std::nullopt);
std::string frame_of(const google::protobuf::MessageLite& message);

// One end of a connection. Everything fails once it is closed.
class Wire {
 public:
  Wire() = default;
  explicit Wire(UniqueFd socket) : socket_(std::move(socket)) {}
  // At once or not at all, as who does not care would; or as our programs do, again and again until `end`.
  static Wire dial(const std::string& path);
  static Wire dial_until(const std::string& path, Deadline end);

  bool is_open() const { return static_cast<bool>(socket_); }
  // How many bytes the other side took without a wait; closed when it is gone.
  std::size_t offer(std::string_view bytes);
  // All of them, or false and closed.
  bool send(std::string_view bytes, Deadline end);
  // The payload of the next frame; nothing, and closed, when none comes.
  std::optional<std::string> receive(Deadline end);
  // Reads nothing away: whether the other side has hung up.
  bool is_hung_up() const;
  void close() { socket_.reset(); }

 private:
  bool read(void* into, std::size_t bytes, Deadline end);
  UniqueFd socket_;
};

// Somebody who listens where a daemon dials. `uid` is what the daemon is told: the user that calls listen().
class WireListener {
 public:
  // Throws when it cannot: that is a broken test.
  WireListener(const std::string& path, std::optional<uid_t> uid);
  WireListener(const WireListener&) = delete;
  WireListener& operator=(const WireListener&) = delete;
  ~WireListener();
  Wire accept(Deadline end);

 private:
  const std::string path_;
  UniqueFd socket_;
};

// Another user when the tests are root; else ourselves.
struct User {
  std::optional<uid_t> uid;
  gid_t gid = 0;
};
constexpr uid_t kGoodUid = 70'001;
constexpr uid_t kHostileUid = 70'002;

// Something that processes have together: those that are forked from now on, and this one.
template <class T>
std::shared_ptr<T> make_shared_by_processes() {
  void* memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return {new (memory) T{}, [](T* shared) { ::munmap(shared, sizeof(T)); }};
}

// What hostile processes count.
struct Tally {
  std::atomic<std::uint64_t> offered = 0;  // Messages, or as many as the other side has taken of them.
  std::atomic<std::uint64_t> connections = 0;
  std::atomic<std::uint64_t> failures = 0;
};

// Messages sent in one go.
inline constexpr std::size_t kMessagesAtOnce = 512;
std::string repeat(const std::string& text, std::size_t times);

// The same message on one connection, until the end or until the other side hangs up; whether it is taken is up to the
// other side. Reads nothing.
void flood(Wire& wire, Tally& tally, Deadline end, const std::string& message);

// A process of its own that does one thing until it returns, or is killed with this object.
class Actor {
 public:
  Actor(const User& user, const std::function<void()>& act);
  Actor(Actor&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Actor& operator=(Actor&&) = delete;
  ~Actor();
  bool has_ended_well(std::chrono::milliseconds limit);

 private:
  pid_t pid_ = -1;
};

// How long a good peer waited for its answers.
struct Waits {
  std::vector<double> ms;  // Sorted.
  std::size_t failures = 0;
  std::string failure;  // The last one.
  double at(double share) const;
};
// Asks `frames` in turn, one connection each, `pause` apart, so often or until `end`.
Waits ask_steadily(const User& user, const std::string& socket, const std::vector<std::string>& frames,
                   std::size_t times, std::chrono::milliseconds pause, Deadline end = Deadline::max());

// What is its own of a process' memory, and the CPU time it had.
std::uint64_t private_kb(pid_t pid);
double cpu_seconds(pid_t pid);

// The most it has while a process of ours looks.
class MemoryWatch {
 public:
  explicit MemoryWatch(pid_t pid);
  std::uint64_t before_kb() const { return before_kb_; }
  std::uint64_t most_kb() const { return *most_kb_; }
  std::uint64_t growth_kb() const { return most_kb() - std::min(most_kb(), before_kb_); }

 private:
  const std::uint64_t before_kb_;
  std::shared_ptr<std::atomic<std::uint64_t>> most_kb_;  // Shared with that process.
  Actor looks_;
};

}  // namespace de::system_test
