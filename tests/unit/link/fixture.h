// What the tests of link share: a private directory, a way to run a Task to its end, and a peer that speaks raw bytes.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

#include "daemoneye/frame/frame.h"
#include "daemoneye/link/dial.h"
#include "daemoneye/link/listener.h"

namespace de::link {

using namespace std::chrono_literals;
namespace asio = boost::asio;

inline constexpr Limits kSmall{1024, 1024};
inline constexpr Limits kLarge{4u << 20, 4u << 20};

inline std::string framed(const std::string& payload) {
  std::array<std::byte, frame::kHeaderBytes> raw;
  frame::write_header(raw, payload);
  return std::string(reinterpret_cast<const char*>(raw.data()), raw.size()) + payload;
}

// A blocking socket without any of our code behind it.
class RawPeer {
 public:
  explicit RawPeer(UniqueFd fd) : fd_(std::move(fd)) {}

  void send(std::string_view bytes) {
    ASSERT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  std::string receive(std::size_t most) {
    std::string bytes(most, '\0');
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
  }
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

class LinkTest : public testing::Test {
 protected:
  LinkTest() {
    char name[] = "/tmp/de-link-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~LinkTest() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name = "a.sock") const { return directory_ + "/" + name; }
  ListenOptions options(Limits limits = kSmall) const { return {path(), 0600, std::nullopt, limits, 64}; }

  // Runs `task` on io_ until it is done, for at most ten seconds.
  template <class T>
  T run(asio::awaitable<T> task) {
    std::optional<T> outcome;
    start(std::move(task), outcome);
    return finish(outcome);
  }
  template <class T>
  void start(asio::awaitable<T> task, std::optional<T>& outcome) {
    asio::co_spawn(io_, std::move(task), [&outcome](const std::exception_ptr& thrown, T value) {
      if (thrown) std::rethrow_exception(thrown);
      outcome.emplace(std::move(value));
    });
  }
  template <class T>
  T finish(std::optional<T>& outcome) {
    io_.restart();
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (!outcome && std::chrono::steady_clock::now() < until) io_.run_one_for(1s);
    if (!outcome) throw std::runtime_error("the task did not end");
    return std::move(*outcome);
  }
  // Runs what is ready and nothing else.
  void settle() {
    io_.restart();
    while (io_.poll_one() != 0) {
    }
  }

  Listener listen(Limits limits = kSmall) {
    auto listener = Listener::open(io_.get_executor(), options(limits));
    if (!listener) throw std::runtime_error(listener.error().message());
    return std::move(*listener);
  }

  UniqueFd raw_connect(const std::string& to) const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(to);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) fd.reset();
    return fd;
  }
  UniqueFd raw_bind(const std::string& to) const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(to);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) fd.reset();
    return fd;
  }
  static sockaddr_un address_of(const std::string& to) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, to.c_str(), sizeof(address.sun_path) - 1);
    return address;
  }

  // Two ends of one connection, ours and a raw one.
  Connection pair_with(std::optional<RawPeer>& raw, Limits limits = kSmall, int type = SOCK_STREAM) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
    raw.emplace(UniqueFd(ends[1]));
    return std::move(*Connection::adopt(io_.get_executor(), UniqueFd(ends[0]), limits));
  }

  std::string directory_;
  asio::io_context io_;
};

// Somebody else, while it lives. Root takes another effective user; anybody else already is one.
class Unprivileged {
 public:
  Unprivileged() : was_root_(::geteuid() == 0) {
    if (was_root_) {
      EXPECT_EQ(::seteuid(65534), 0);
    }
  }
  ~Unprivileged() {
    if (was_root_) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }

 private:
  bool was_root_;
};

}  // namespace de::link
