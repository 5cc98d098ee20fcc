// The proc connector of the kernel these tests run on. Other processes of the machine are seen, too: what is expected
// is about our own.
#include "collect/linux/connector.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include <chrono>
#include <thread>

#include "daemoneye/base/unique_fd.h"
#include "live_process.h"

namespace de::collect {
namespace {

std::uint64_t boot_ns() {
  struct timespec now {};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint32_t fork_and(const std::function<void()>& body) {
  const pid_t pid = ::fork();
  if (pid != 0) return static_cast<std::uint32_t>(pid);
  body();
  ::_exit(99);
}

// Forks, executes and ends; cheaper than a fork of this program with its sanitizers.
std::uint32_t spawn_true() {
  pid_t pid = 0;
  char name[] = "/bin/true";
  char* argv[] = {name, nullptr};
  return ::posix_spawn(&pid, name, nullptr, nullptr, argv, nullptr) == 0 ? static_cast<std::uint32_t>(pid) : 0;
}

int wait_for(std::uint32_t pid) {
  int status = 0;
  ::waitpid(static_cast<pid_t>(pid), &status, 0);
  return status;
}

class Connector : public testing::Test {
 protected:
  void open(std::size_t buffer_bytes = kConnectorBuffer) {
    Result<std::unique_ptr<EventFeed>> feed = open_connector(buffer_bytes);
    if (!feed) GTEST_SKIP() << "no proc connector here: " << feed.error().message();
    feed_ = std::move(*feed);
  }

  void drain() {
    const Result<> drained = feed_->drain([this](KernelEvent& event) { events_.push_back(event); });
    ASSERT_TRUE(drained) << drained.error().message();
  }

  // Of one process, in the order they came.
  std::vector<KernelEvent> of(std::uint32_t pid) const {
    std::vector<KernelEvent> out;
    for (const KernelEvent& event : events_)
      if (event.pid == pid) out.push_back(event);
    return out;
  }

  // Until the process is seen to have ended. It was waited for before: an event may come a little later than the end.
  std::vector<KernelEvent> life_of(std::uint32_t pid) {
    for (int i = 0; i < 100; ++i) {
      drain();
      const std::vector<KernelEvent> all = of(pid);
      if (!all.empty() && all.back().kind == KernelEventKind::Exit) return all;
      pollfd wait{feed_->wake_fd(), POLLIN, 0};
      ::poll(&wait, 1, 20);
    }
    return of(pid);
  }

  void expect_balance() const {
    const FeedCounts counts = feed_->counts();
    EXPECT_EQ(counts.forks + counts.execs + counts.exits, events_.size());
    EXPECT_EQ(counts.happened, events_.size() + counts.dropped);
    EXPECT_EQ(counts.malformed, 0u);
  }

  std::unique_ptr<EventFeed> feed_;
  std::vector<KernelEvent> events_;
};

#define OPEN(...)                      \
  do {                                 \
    open(__VA_ARGS__);                 \
    if (IsSkipped() || !feed_) return; \
  } while (false)

TEST_F(Connector, ALifeIsSeenInOrder) {
  OPEN();
  const std::uint64_t before = boot_ns();
  const std::uint32_t pid = fork_and([] { ::execl("/bin/sh", "sh", "-c", "exit 7", nullptr); });
  wait_for(pid);
  const std::vector<KernelEvent> life = life_of(pid);
  const std::uint64_t after = boot_ns();
  ASSERT_EQ(life.size(), 3u);
  EXPECT_EQ(life[0].kind, KernelEventKind::Fork);
  EXPECT_EQ(life[0].ppid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(life[1].kind, KernelEventKind::Exec);
  EXPECT_EQ(life[2].exit_code, 7);
  EXPECT_EQ(life[2].exit_signal, std::nullopt);
  // The offset between both clocks is measured, to a few microseconds.
  EXPECT_LE(before, life[0].time_ns + 50'000);
  EXPECT_LE(life[0].time_ns, life[1].time_ns);
  EXPECT_LE(life[1].time_ns, life[2].time_ns);
  EXPECT_LE(life[2].time_ns, after + 50'000);
  EXPECT_EQ(feed_->name(), "connector");
  expect_balance();
}

TEST_F(Connector, ExitCodesAndSignals) {
  OPEN();
  for (const int code : {0, 1, 127, 255}) {
    const std::uint32_t pid = fork_and([code] { ::_exit(code); });
    wait_for(pid);
    const std::vector<KernelEvent> life = life_of(pid);
    ASSERT_EQ(life.size(), 2u);
    EXPECT_EQ(life[1].exit_code, code);
    EXPECT_EQ(life[1].exit_signal, std::nullopt);
  }
  for (const int signal : {SIGKILL, SIGTERM, SIGUSR1}) {
    const std::uint32_t pid = fork_and([signal] {
      ::signal(signal, SIG_DFL);
      ::kill(::getpid(), signal);
    });
    wait_for(pid);
    const std::vector<KernelEvent> life = life_of(pid);
    ASSERT_EQ(life.size(), 2u);
    EXPECT_EQ(life[1].exit_signal, signal);
    EXPECT_EQ(life[1].exit_code, std::nullopt);
  }
}

TEST_F(Connector, ThreadsAreCountedAndNotDelivered) {
  OPEN();
  const std::uint64_t before = feed_->counts().threads;
  const std::uint32_t pid = fork_and([] {
    for (int i = 0; i < 5; ++i) std::thread([] {}).join();
    ::_exit(3);
  });
  wait_for(pid);
  const std::vector<KernelEvent> life = life_of(pid);
  ASSERT_EQ(life.size(), 2u);
  EXPECT_EQ(life[1].exit_code, 3);
  EXPECT_GE(feed_->counts().threads - before, 5u);
}

TEST_F(Connector, AProcessOutlivesItsFirstThread) {
  OPEN();
  int go_on[2];
  ASSERT_EQ(::pipe(go_on), 0);
  const std::uint32_t pid = fork_and([&go_on] {
    std::thread([&go_on] {
      char byte = 0;
      (void)!::read(go_on[0], &byte, 1);
      ::_exit(5);
    }).detach();
    ::syscall(SYS_exit, 0);
  });
  const auto first_is_gone = [pid] {
    return de::test::read_text("/proc/" + std::to_string(pid) + "/stat").find(") Z") != std::string::npos;
  };
  for (int i = 0; i < 1'000 && !first_is_gone(); ++i) ::usleep(2'000);
  ::usleep(5'000);  // The event comes a moment after the state.
  drain();
  EXPECT_EQ(of(pid).size(), 1u) << "not ended yet";
  ASSERT_EQ(::write(go_on[1], "x", 1), 1);
  ::close(go_on[0]);
  ::close(go_on[1]);
  wait_for(pid);
  const std::vector<KernelEvent> life = life_of(pid);
  ASSERT_EQ(life.size(), 2u);
  EXPECT_EQ(life[1].exit_code, 5);
}

TEST_F(Connector, AThreadThatExecutesIsItsProcess) {
  OPEN();
  const std::uint32_t pid = fork_and([] {
    std::thread([] { ::execl("/bin/sh", "sh", "-c", "exit 6", nullptr); }).detach();
    for (;;) ::pause();
  });
  wait_for(pid);
  const std::vector<KernelEvent> life = life_of(pid);
  ASSERT_EQ(life.size(), 3u);
  EXPECT_EQ(life[1].kind, KernelEventKind::Exec);
  EXPECT_EQ(life[2].exit_code, 6);
}

TEST_F(Connector, AStalledReaderWithRoomLosesNothing) {
  OPEN();
  std::vector<std::uint32_t> pids;
  for (int i = 0; i < 300; ++i) {
    pids.push_back(spawn_true());
    wait_for(pids.back());
  }
  (void)life_of(pids.back());
  for (const std::uint32_t pid : pids) EXPECT_EQ(of(pid).size(), 3u);
  EXPECT_EQ(feed_->counts().overflows, 0u);
  EXPECT_EQ(feed_->counts().dropped, 0u);
  expect_balance();
}

TEST_F(Connector, AStalledReaderWithoutRoomKnowsWhatItLost) {
  OPEN(1);  // As little as the kernel gives.
  drain();
  constexpr std::uint64_t kLives = 300;
  std::vector<std::uint32_t> pids;
  for (std::uint64_t i = 0; i < kLives; ++i) {
    pids.push_back(spawn_true());
    wait_for(pids.back());
  }
  drain();
  EXPECT_GT(feed_->counts().overflows, 0u);
  std::uint64_t ours = 0;
  for (const std::uint32_t pid : pids) ours += of(pid).size();
  EXPECT_LT(ours, 3 * kLives);
  // At once, without waiting for a further event of each CPU. The books say how many messages are missing, not whose:
  // at least all of ours that are.
  EXPECT_GE(feed_->counts().dropped, 3 * kLives - ours);
  expect_balance();
}

TEST_F(Connector, OnlyTheKernelIsBelieved) {
  OPEN();
  sockaddr_nl feed{};
  socklen_t size = sizeof feed;
  ASSERT_EQ(::getsockname(feed_->wake_fd(), reinterpret_cast<sockaddr*>(&feed), &size), 0);
  const UniqueFd liar(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, 11));
  const std::uint32_t forged[] = {76, 3, 0, 0,         1,         1,         5,         0, 40, 1,
                                  0,  1, 0, 4'000'001, 4'000'001, 4'000'002, 4'000'002, 0, 0};
  feed.nl_groups = 0;
  if (::sendto(liar.get(), forged, sizeof forged, 0, reinterpret_cast<sockaddr*>(&feed), sizeof feed) < 0) {
    GTEST_SKIP() << "only root can send to the feed's socket";
  }
  drain();
  EXPECT_EQ(feed_->counts().malformed, 1u);
  EXPECT_TRUE(of(4'000'002).empty());
}

TEST_F(Connector, WithoutItsSocketItIsClosed) {
  OPEN();
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_GE(::dup2(null.get(), feed_->wake_fd()), 0);
  const Result<> drained = feed_->drain([](KernelEvent&) {});
  ASSERT_FALSE(drained);
  EXPECT_EQ(drained.error().code(), Errc::Closed);
}

TEST_F(Connector, TheBufferIsWhatWasAskedFor) {
  if (::geteuid() != 0) GTEST_SKIP() << "beyond net.core.rmem_max that takes root";
  OPEN();
  int granted = 0;
  socklen_t size = sizeof granted;
  ASSERT_EQ(::getsockopt(feed_->wake_fd(), SOL_SOCKET, SO_RCVBUF, &granted, &size), 0);
  EXPECT_GE(static_cast<std::size_t>(granted), kConnectorBuffer);
}

// ---- Where it is refused: each in a process of its own, which ends with what it found ----

constexpr int kOpened = 100, kCannotTry = 101;

int outcome_of(const std::function<bool()>& prepare, bool forks_first = false) {
  return WEXITSTATUS(wait_for(fork_and([&] {
    if (!prepare()) ::_exit(kCannotTry);
    const auto open = [] {
      const Result<std::unique_ptr<EventFeed>> feed = open_connector(65'536);
      ::_exit(feed ? kOpened : static_cast<int>(feed.error().code()));
    };
    if (!forks_first) open();
    ::_exit(WEXITSTATUS(wait_for(fork_and(open))));
  })));
}

TEST(ConnectorElsewhere, ANetworkNamespaceHasNone) {
  const int outcome = outcome_of([] { return ::unshare(CLONE_NEWNET) == 0; });
  if (outcome == kCannotTry) GTEST_SKIP() << "needs root to make a network namespace";
  EXPECT_EQ(outcome, static_cast<int>(Errc::Unsupported));
}

TEST(ConnectorElsewhere, APidNamespaceGetsNoAnswer) {
  const auto began = std::chrono::steady_clock::now();
  const int outcome = outcome_of([] { return ::unshare(CLONE_NEWPID) == 0; }, true);
  if (outcome == kCannotTry) GTEST_SKIP() << "needs root to make a pid namespace";
  EXPECT_EQ(outcome, static_cast<int>(Errc::Unsupported));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

TEST(ConnectorElsewhere, OrdinaryUsersAreDeniedOrServed) {
  const int outcome = outcome_of([] {
    return ::geteuid() != 0 || (::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0);
  });
  // Linux 6.6 and newer serve everybody.
  EXPECT_TRUE(outcome == kOpened || outcome == static_cast<int>(Errc::Denied)) << outcome;
}

}  // namespace
}  // namespace de::collect
