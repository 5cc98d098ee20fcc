// What is left of a process's reach, tried by root: nothing but the sandbox is
// in the way.
#include "daemoneye/guard/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include "daemoneye/base/unique_fd.h"
#include "in_child.h"
#include "temp_dir.h"

namespace de::guard {
namespace {

bool opens(const std::string& path, int flags) {
  return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC, 0600)).get() >= 0;
}

int bind_in(const std::string& dir) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (dir + "/socket").c_str(), sizeof address.sun_path - 1);
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

int connect_to(std::uint16_t port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

class RestrictFiles : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"read", "write", "sockets", "other"}) {
      std::filesystem::create_directory(dir_ / name);
      dir_.write(std::string(name) + "/file", "text");
    }
    rules_ = {{dir_ / "read", Reach::Read},
              {dir_ / "write", Reach::Write},
              {dir_ / "sockets", Reach::Sockets},
              {dir_ / "never-there", Reach::Read},
              {"/dev/null", Reach::Read}};
  }
  // Runs `body` where the rules hold.
  void expect_inside(int abi, const std::function<int()>& body) {
    const int code = in_child([&] {
      Held held;
      if (!restrict_files(rules_, held)) return 200;
      return held.landlock_abi < abi ? kSkip : body();
    });
    if (code == kSkip) GTEST_SKIP() << "this kernel's Landlock does not restrict it";
    EXPECT_EQ(code, 0);
  }
  test::TempDir dir_;
  std::vector<ReachRule> rules_;
};

TEST_F(RestrictFiles, ReadingIsNotWriting) {
  expect_inside(1, [this] {
    if (!opens(dir_ / "read/file", O_RDONLY)) return 1;
    if (!opens(dir_ / "read", O_RDONLY | O_DIRECTORY)) return 2;
    if (opens(dir_ / "read/file", O_WRONLY)) return 3;
    if (opens(dir_ / "read/new", O_WRONLY | O_CREAT)) return 4;
    if (::unlink((dir_ / "read/file").c_str()) == 0) return 5;
    if (::mkdir((dir_ / "read/dir").c_str(), 0700) == 0) return 6;
    return 0;
  });
}

TEST_F(RestrictFiles, WritingIsMakingAndRemovingFilesButNoSockets) {
  expect_inside(1, [this] {
    if (!opens(dir_ / "write/new", O_RDWR | O_CREAT | O_EXCL)) return 1;
    if (!opens(dir_ / "write/file", O_WRONLY | O_TRUNC)) return 2;
    if (::mkdir((dir_ / "write/dir").c_str(), 0700) != 0) return 3;
    if (::rename((dir_ / "write/new").c_str(), (dir_ / "write/dir/new").c_str()) != 0) return 4;
    if (::unlink((dir_ / "write/dir/new").c_str()) != 0 || ::rmdir((dir_ / "write/dir").c_str()) != 0) return 5;
    if (::symlink("/etc/shadow", (dir_ / "write/link").c_str()) == 0) return 6;
    if (::mknod((dir_ / "write/device").c_str(), S_IFCHR | 0600, (1 << 8) | 3) == 0) return 7;
    if (bind_in(dir_ / "write") != EACCES) return 8;
    if (bind_in(dir_ / "sockets") != 0) return 9;
    return 0;
  });
}

TEST_F(RestrictFiles, WhatNoRuleNamesIsNotReachedAndNothingIsExecuted) {
  expect_inside(1, [this] {
    if (opens(dir_ / "other/file", O_RDONLY)) return 1;
    if (opens("/etc/shadow", O_RDONLY)) return 2;
    if (opens(dir_ / "other", O_RDONLY | O_DIRECTORY)) return 3;
    ::execl("/bin/false", "false", nullptr);
    return errno == EACCES ? 0 : 4;
  });
}

// Nobody listens at either: what is let through is refused by the network.
TEST_F(RestrictFiles, OnlyTheNamedPortsAreConnectedTo) {
  const int code = in_child([this] {
    Held held;
    if (!restrict_files(rules_, held, std::array<std::uint16_t, 1>{1})) return 200;
    if (held.landlock_abi < 4) return kSkip;
    if (connect_to(1) != ECONNREFUSED) return 1;
    return connect_to(2) == EACCES ? 0 : 2;
  });
  if (code == kSkip) GTEST_SKIP() << "this kernel's Landlock does not restrict it";
  EXPECT_EQ(code, 0);
}

TEST_F(RestrictFiles, ADeviceThatIsReadIsNotCommanded) {
  expect_inside(5, [] {
    const UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fd) return 1;
    int bytes = 0;
    if (::ioctl(fd.get(), TIOCINQ, &bytes) == 0) return 2;
    return errno == EACCES ? 0 : 3;  // Not ENOTTY, which the device would say.
  });
}

TEST_F(RestrictFiles, NobodyIsReachedOverTcp) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const to = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), to, size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), to, &size), 0);
  expect_inside(4, [&] {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), to, size) == 0 || errno != EACCES) return 1;
    address.sin_port = htons(static_cast<std::uint16_t>(ntohs(address.sin_port) ^ 1U));
    return ::bind(fd.get(), to, size) != 0 && errno == EACCES ? 0 : 2;
  });
}

TEST_F(RestrictFiles, NobodyOutsideIsSignalledOrFoundByAName) {
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof(sa_family_t);  // The kernel chooses the name.
  auto* const to = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener.get(), to, size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  size = sizeof address;
  ASSERT_EQ(::getsockname(listener.get(), to, &size), 0);
  expect_inside(6, [&] {
    if (::kill(::getppid(), 0) == 0 || errno != EPERM) return 1;
    if (::kill(::getpid(), 0) != 0) return 2;
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(fd.get(), to, size) != 0 && errno == EPERM ? 0 : 3;
  });
}

// ---- System calls ----

// As long as `body` runs nothing but the basic system calls and `more` is
// there.
void expect_with(std::span<const SyscallRule> more, int expected, const std::function<int()>& body) {
  const int code = in_child([&] {
    Held held;
    ::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL);
    const std::array<std::span<const SyscallRule>, 2> tables = {basic_syscalls(), more};
    if (!restrict_syscalls(tables, held)) return 200;
    return held.syscall_filter ? body() : kSkip;
  });
  if (code == kSkip) GTEST_SKIP() << "this kernel has no filters";
  EXPECT_EQ(code, expected);
}

int refusal_of(long result) { return result == -1 ? errno : 0; }

TEST(RestrictSyscalls, ThreadsAreMadeButNoProcessesAndNoNamespaces) {
  expect_with({}, 0, [] {
    bool ran = false;
    std::thread([&ran] { ran = true; }).join();
    if (!ran) return 1;
    if (refusal_of(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr)) != EPERM) return 2;
    // The kernel itself would say EINVAL: threads share more than this.
    for (const int kind : {CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWUTS, CLONE_NEWIPC,
                           CLONE_NEWCGROUP, CLONE_NEWTIME})
      if (refusal_of(::syscall(SYS_clone, static_cast<unsigned long>(CLONE_THREAD | kind), nullptr, nullptr, nullptr,
                               nullptr)) != EPERM)
        return 3;
    return 0;
  });
}

TEST(RestrictSyscalls, WhatLibrariesDoWithoutIsNotThere) {
  expect_with({}, 0, [] {
    if (refusal_of(::syscall(SYS_clone3, nullptr, 0)) != ENOSYS) return 1;
    return refusal_of(::syscall(SYS_io_uring_setup, 1, nullptr)) == ENOSYS ? 0 : 2;
  });
}

TEST(RestrictSyscalls, NoMemoryBecomesExecutable) {
  expect_with({}, 0, [] {
    void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return 1;
    if (::mprotect(page, 4096, PROT_READ) != 0) return 2;
    if (refusal_of(::mprotect(page, 4096, PROT_READ | PROT_EXEC)) != EPERM) return 3;
    return ::mmap(nullptr, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EPERM ? 0 : 4;
  });
}

TEST(RestrictSyscalls, SignalsAreForOneselfOnly) {
  const pid_t outside = ::getpid();
  expect_with({}, 0, [outside] { return refusal_of(::syscall(SYS_tgkill, outside, outside, 0)) == EPERM ? 0 : 1; });
  expect_with({}, 1000 + SIGABRT, []() -> int { std::abort(); });
}

TEST(RestrictSyscalls, ARuleAllowsWhatItSaysAndNoMore) {
  constexpr SyscallRule kLocal[] = {{"socket", "local ones", 0, ~std::uint64_t{0}, AF_UNIX}};
  expect_with(kLocal, 0, [] {
    if (::socket(AF_UNIX, SOCK_STREAM, 0) < 0) return 1;
    if (refusal_of(::socket(AF_INET, SOCK_STREAM, 0)) != EPERM) return 2;
    if (refusal_of(::prctl(PR_SET_NAME, "other")) != EPERM) return 3;
    return refusal_of(::open("/dev/null", O_RDONLY)) == EPERM ? 0 : 4;
  });
}

TEST(RestrictSyscalls, AThreadThatAlreadyRunsIsNoWayOut) {
  const int code = in_child([] {
    std::atomic<bool> go = false;
    int refused = 0;
    std::thread before([&] {
      while (!go) std::this_thread::yield();
      refused = refusal_of(::socket(AF_UNIX, SOCK_STREAM, 0));
    });
    Held held;
    ::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL);
    const std::array<std::span<const SyscallRule>, 1> tables = {basic_syscalls()};
    const auto restricted = restrict_syscalls(tables, held);
    go = true;
    before.join();
    if (!restricted) return 200;
    return !held.syscall_filter ? kSkip : refused == EPERM ? 0 : 1;
  });
  if (code == kSkip) GTEST_SKIP() << "this kernel has no filters";
  EXPECT_EQ(code, 0);
}

TEST(RestrictSyscalls, ANameNobodyKnowsIsRefused) {
  constexpr SyscallRule kNone[] = {{"no_such_call", "a typing error"}};
  const std::array<std::span<const SyscallRule>, 1> tables = {kNone};
  Held held;
  EXPECT_EQ(restrict_syscalls(tables, held).error().code(), Errc::Invalid);
}

}  // namespace
}  // namespace de::guard
