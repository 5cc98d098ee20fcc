#include "daemoneye/base/service_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "daemoneye/base/pulse.h"
#include "temp_dir.h"

namespace de {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

class Notified : public ::testing::Test {
 protected:
  void SetUp() override { listen(); }
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }

  void listen() {
    ::unlink(path.c_str());
    listener.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  // The next message, or nothing.
  std::string heard() const {
    std::array<char, 1024> buffer{};
    const ssize_t size = ::recv(listener.get(), buffer.data(), buffer.size(), 0);
    return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

  test::TempDir dir;
  std::string path = dir / "notify";
  UniqueFd listener;
};

TEST_F(Notified, SaysWhatSystemdUnderstands) {
  auto notify = ServiceNotify::from_environment();
  ASSERT_TRUE(notify) << notify.error().message();
  notify->ready();
  notify->ready();
  notify->status("sees\n312 processes");
  notify->status("sees\n312 processes");
  notify->status(std::string(1'000, 'x'));
  notify->stopping();
  EXPECT_EQ(heard(), "READY=1");
  EXPECT_EQ(heard(), "STATUS=sees 312 processes");
  EXPECT_EQ(heard(), "STATUS=" + std::string(256, 'x')) << "what a terminal can show";
  EXPECT_EQ(heard(), "STOPPING=1");
  EXPECT_EQ(heard(), "");
}

TEST_F(Notified, IsAliveOftenEnoughAndNotMoreOften) {
  ::setenv("WATCHDOG_USEC", "20000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  auto notify = ServiceNotify::from_environment();
  ASSERT_TRUE(notify);
  EXPECT_EQ(notify->watchdog_ns(), 20 * kSecond);
  int told = 0;
  for (std::int64_t now = 100 * kSecond; now < 120 * kSecond; now += kSecond) {
    notify->alive(now);
    if (heard() == "WATCHDOG=1") ++told;
  }
  EXPECT_EQ(told, 4);
}

TEST_F(Notified, IsNotAliveForAWatchdogOfAnotherProcess) {
  ::setenv("WATCHDOG_USEC", "20000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  auto notify = ServiceNotify::from_environment();
  ASSERT_TRUE(notify);
  notify->alive(kSecond);
  EXPECT_EQ(heard(), "");
}

TEST_F(Notified, IsAliveForAWatchdogThatNamesNobody) {
  ::setenv("WATCHDOG_USEC", "20000000", 1);
  auto notify = ServiceNotify::from_environment();
  ASSERT_TRUE(notify);
  notify->alive(kSecond);
  EXPECT_EQ(heard(), "WATCHDOG=1");
}

TEST_F(Notified, LeavesNothingInTheEnvironmentOfWhatWeStart) {
  ::setenv("WATCHDOG_USEC", "1", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  ASSERT_TRUE(ServiceNotify::from_environment());
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) EXPECT_EQ(::getenv(name), nullptr);
}

TEST_F(Notified, FindsAManagerThatWasReplaced) {
  auto notify = ServiceNotify::from_environment();
  ASSERT_TRUE(notify);
  listen();
  notify->status("still here");
  EXPECT_EQ(heard(), "STATUS=still here");
}

// systemd names its socket so in containers: such a name is in no directory.
TEST_F(Notified, FindsAManagerWhoseSocketIsInNoDirectory) {
  UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof(sa_family_t);  // The kernel chooses a name.
  ASSERT_EQ(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  size = sizeof address;
  ASSERT_EQ(::getsockname(manager.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string name(address.sun_path + 1, size - offsetof(sockaddr_un, sun_path) - 1);
  ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  auto notify = ServiceNotify::from_environment();
  ASSERT_TRUE(notify) << notify.error().message();
  notify->ready();
  listener = std::move(manager);
  EXPECT_EQ(heard(), "READY=1");
}

TEST_F(Notified, DoesNotWaitForAManagerThatReadsNothing) {
  auto notify = ServiceNotify::from_environment();
  ASSERT_TRUE(notify);
  for (int i = 0; i < 10'000; ++i) notify->status(std::to_string(i));
  EXPECT_EQ(heard(), "STATUS=0");
}

TEST_F(Notified, DoesNothingWithoutAManager) {
  ::unsetenv("NOTIFY_SOCKET");
  auto notify = ServiceNotify::from_environment();
  ASSERT_TRUE(notify);
  EXPECT_FALSE(notify->is_connected());
  notify->ready();
}

TEST_F(Notified, RefusesWhatIsNoManager) {
  ::setenv("NOTIFY_SOCKET", "elsewhere", 1);
  auto none = ServiceNotify::from_environment();
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message().find("\"elsewhere\""), std::string::npos) << none.error().message();
  ::setenv("NOTIFY_SOCKET", (dir / "nobody").c_str(), 1);
  EXPECT_EQ(ServiceNotify::from_environment().error().code(), Errc::Io);
  for (const std::string& name : {std::string("/"), std::string("@"), "/" + std::string(200, 'x')}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    EXPECT_EQ(ServiceNotify::from_environment().error().code(), Errc::Invalid) << name;
  }
}

TEST(Pulse, SaysHowLongNothingWasHeard) {
  Pulse pulse;
  EXPECT_EQ(pulse.silent_ns(100 * kSecond), 0) << "the first look is no silence";
  EXPECT_EQ(pulse.silent_ns(103 * kSecond), 3 * kSecond);
  pulse.beat();
  EXPECT_EQ(pulse.silent_ns(110 * kSecond), 0);
  EXPECT_EQ(pulse.silent_ns(111 * kSecond), kSecond);
}

TEST(Pulse, AsksAgainOnlyAfterAnAnswer) {
  Pulse pulse;
  EXPECT_TRUE(pulse.ask());
  EXPECT_FALSE(pulse.ask());
  pulse.beat();
  EXPECT_TRUE(pulse.ask());
}

}  // namespace
}  // namespace de
