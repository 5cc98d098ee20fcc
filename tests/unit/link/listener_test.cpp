#include "daemoneye/link/listener.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>
#include <vector>

#include "fixture.h"

namespace de::link {
namespace {

class ListenerTest : public LinkTest {
 protected:
  std::vector<RawPeer> connect_times(int times) const {
    std::vector<RawPeer> peers;
    for (int i = 0; i < times; ++i) peers.emplace_back(raw_connect(path()));
    return peers;
  }
  Error refusal(ListenOptions options) {
    const auto listener = Listener::open(io_.get_executor(), std::move(options));
    if (listener) return Error(Errc::Io, "it was opened");
    return listener.error();
  }
  Error refusal_at(const std::string& where) { return refusal({where, 0600, std::nullopt, kSmall}); }

  std::size_t entries() const {
    const std::filesystem::directory_iterator files(directory_);
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }
  mode_t mode_of(const std::string& file) const {
    struct stat status {};
    EXPECT_EQ(::lstat(file.c_str(), &status), 0);
    return status.st_mode & 07777;
  }
};

TEST_F(ListenerTest, AcceptsAndKnowsThePeer) {
  Listener listener = listen();
  EXPECT_EQ(listener.path(), path());
  RawPeer client(raw_connect(path()));
  auto connection = run(listener.accept());
  ASSERT_TRUE(connection) << connection.error().message();
  EXPECT_EQ(connection->peer().uid, ::geteuid());
  EXPECT_EQ(connection->peer().pid, ::getpid());
  EXPECT_EQ(connection->limits().read_bytes, kSmall.read_bytes);
  client.send(framed("hello"));
  EXPECT_EQ(run(connection->read(1s)).value(), "hello");
}

TEST_F(ListenerTest, AcceptedDescriptorsAreNotInheritedByPrograms) {
  Listener listener = listen();
  const RawPeer client(raw_connect(path()));
  const int next = ::dup(client.fd());
  ::close(next);  // The number the accepted descriptor gets.
  const auto connection = run(listener.accept());
  ASSERT_TRUE(connection);
  EXPECT_EQ(::fcntl(next, F_GETFD), FD_CLOEXEC);
}

TEST_F(ListenerTest, ModeIsExactWhateverTheUmask) {
  for (const mode_t mask : {0000u, 0077u, 0777u}) {
    const mode_t before = ::umask(mask);
    ListenOptions wanted = options();
    wanted.mode = 0660;
    auto listener = Listener::open(io_.get_executor(), wanted);
    ::umask(before);
    ASSERT_TRUE(listener) << listener.error().message();
    EXPECT_EQ(mode_of(path()), 0660u);
  }
}

TEST_F(ListenerTest, GroupIsSetBeforeAnybodyCanConnect) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give a file to any group";
  ListenOptions wanted = options();
  wanted.group = 12345;
  auto listener = Listener::open(io_.get_executor(), wanted);
  ASSERT_TRUE(listener) << listener.error().message();
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_gid, 12345u);
  EXPECT_EQ(status.st_uid, 0u);
}

TEST_F(ListenerTest, GroupWeMayNotGiveIsDeniedAndNothingIsLeft) {
  ASSERT_EQ(::chmod(directory_.c_str(), 0700), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(directory_.c_str(), 65534, static_cast<gid_t>(-1)), 0);
  }
  const Unprivileged other;
  ListenOptions wanted = options();
  wanted.group = 12345;
  const Error error = refusal(wanted);
  EXPECT_EQ(error.code(), Errc::Denied) << error.message();
  EXPECT_EQ(entries(), 0u);
}

TEST_F(ListenerTest, CloseRemovesTheSocketAndEndsTheAccept) {
  Listener listener = listen();
  std::optional<Result<Connection>> accepting;
  start(listener.accept(), accepting);
  settle();
  listener.close();
  EXPECT_EQ(finish(accepting).error().code(), Errc::Cancelled);
  EXPECT_EQ(run(listener.accept()).error().code(), Errc::Cancelled);
  EXPECT_EQ(entries(), 0u);
  listener.close();
}

TEST_F(ListenerTest, DestroyingUnderAPendingAcceptIsSafe) {
  std::optional<Listener> listener = listen();
  std::optional<Result<Connection>> accepting;
  start(listener->accept(), accepting);
  settle();
  listener.reset();
  EXPECT_EQ(finish(accepting).error().code(), Errc::Cancelled);
  EXPECT_EQ(entries(), 0u);
}

TEST_F(ListenerTest, MovingKeepsItOpen) {
  Listener listener = listen();
  Listener moved = std::move(listener);
  const RawPeer client(raw_connect(path()));
  EXPECT_TRUE(run(moved.accept()));
  ListenOptions second = options();
  second.path = path("b.sock");
  moved = std::move(*Listener::open(io_.get_executor(), second));
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_TRUE(std::filesystem::exists(path("b.sock")));
}

TEST_F(ListenerTest, OnlyItsOwnSocketIsRemoved) {
  std::optional<Listener> listener = listen();
  ASSERT_EQ(::unlink(path().c_str()), 0);
  const UniqueFd other = raw_bind(path());
  ASSERT_TRUE(other);
  listener.reset();
  EXPECT_TRUE(std::filesystem::exists(path()));
}

TEST_F(ListenerTest, ForkedChildDoesNotRemoveTheSocketOfItsParent) {
  Listener listener = listen();
  const pid_t child = ::fork();
  if (child == 0) {
    listener.close();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(std::filesystem::exists(path()));
}

TEST_F(ListenerTest, StaleSocketIsReplaced) {
  raw_bind(path()).reset();  // As after kill -9.
  ASSERT_TRUE(std::filesystem::exists(path()));
  Listener listener = listen();
  EXPECT_TRUE(raw_connect(path()));
  EXPECT_EQ(entries(), 1u);  // No lock file stays behind.
}

TEST_F(ListenerTest, SecondListenerIsRefusedAndTheFirstStays) {
  Listener first = listen();
  const Error error = refusal(options());
  EXPECT_EQ(error.code(), Errc::Conflict);
  EXPECT_EQ(error.message(), "another agent is listening on " + path());
  const RawPeer client(raw_connect(path()));
  EXPECT_TRUE(run(first.accept()));
}

TEST_F(ListenerTest, SecondListenerIsRefusedWhenTheQueueOfTheFirstIsFull) {
  const UniqueFd first = raw_bind(path());
  ASSERT_EQ(::listen(first.get(), 0), 0);
  const UniqueFd waiting = raw_connect(path());
  EXPECT_EQ(refusal(options()).code(), Errc::Conflict);
}

TEST_F(ListenerTest, OfManyThatStartAtOnceOneWins) {
  raw_bind(path()).reset();
  std::atomic<int> won = 0;
  std::atomic<int> conflicts = 0;
  std::vector<std::optional<Listener>> kept(8);
  std::vector<std::thread> starting;
  for (std::optional<Listener>& place : kept)
    starting.emplace_back([&] {
      auto listener = Listener::open(io_.get_executor(), options());
      if (listener) {
        place.emplace(std::move(*listener));
        ++won;
      } else if (listener.error().code() == Errc::Conflict) {
        ++conflicts;
      }
    });
  for (std::thread& thread : starting) thread.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(conflicts, 7);
  EXPECT_EQ(refusal(options()).code(), Errc::Conflict) << "it listens";
}

TEST_F(ListenerTest, PathThatIsNotASocketIsKept) {
  std::ofstream(path()) << "precious";
  const Error error = refusal(options());
  EXPECT_EQ(error.code(), Errc::Conflict);
  EXPECT_NE(error.message().find("is not a socket"), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(path()), 8u);
}

TEST_F(ListenerTest, SymbolicLinkIsNotFollowed) {
  raw_bind(path("target.sock")).reset();
  std::filesystem::create_symlink(path("target.sock"), path());
  EXPECT_EQ(refusal(options()).code(), Errc::Conflict);
  EXPECT_TRUE(std::filesystem::exists(path("target.sock")));
}

TEST_F(ListenerTest, SocketOfSomebodyElseIsKept) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a socket of somebody else";
  raw_bind(path()).reset();
  ASSERT_EQ(::lchown(path().c_str(), 1234, 1234), 0);
  const Error error = refusal(options());
  EXPECT_EQ(error.code(), Errc::Denied);
  EXPECT_NE(error.message().find("uid 1234"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(path()));
}

TEST_F(ListenerTest, DirectoryMustExist) {
  const Error missing = refusal_at(directory_ + "/no/a.sock");
  EXPECT_EQ(missing.code(), Errc::NotFound);
  EXPECT_NE(missing.message().find(directory_ + "/no"), std::string::npos);
  std::ofstream(path("file")) << "x";
  EXPECT_EQ(refusal_at(path("file") + "/a.sock").code(), Errc::NotFound);
}

TEST_F(ListenerTest, DirectoryWeMayNotWriteIsDenied) {
  ASSERT_EQ(::chmod(directory_.c_str(), 0555), 0);
  Errc code{};
  {
    const Unprivileged other;
    code = refusal(options()).code();
  }
  ASSERT_EQ(::chmod(directory_.c_str(), 0700), 0);
  EXPECT_EQ(code, Errc::Denied);
}

TEST_F(ListenerTest, DirectoryWritableByEverybodyIsDeniedUnlessSticky) {
  ASSERT_EQ(::chmod(directory_.c_str(), 0777), 0);
  EXPECT_EQ(refusal(options()).code(), Errc::Denied);
  ASSERT_EQ(::chmod(directory_.c_str(), 01777), 0);
  EXPECT_TRUE(Listener::open(io_.get_executor(), options()));
}

TEST_F(ListenerTest, LongestPathWorksAndOneByteMoreNamesTheLimit) {
  const std::string longest = directory_ + "/" + std::string(107 - directory_.size() - 1, 's');
  ASSERT_EQ(longest.size(), 107u);
  auto listener = Listener::open(io_.get_executor(), ListenOptions{longest, 0600, std::nullopt, kSmall});
  ASSERT_TRUE(listener) << listener.error().message();
  EXPECT_TRUE(run(dial(longest, kSmall, 1s)));
  const Error error = refusal_at(longest + "s");
  EXPECT_EQ(error.code(), Errc::Invalid);
  EXPECT_NE(error.message().find("108 bytes, the system allows 107"), std::string::npos);
}

TEST_F(ListenerTest, PathsThatNameNoFileAreInvalid) {
  EXPECT_EQ(refusal_at("").code(), Errc::Invalid);
  EXPECT_EQ(refusal_at(directory_ + "/").code(), Errc::Invalid);
  EXPECT_EQ(refusal_at(directory_ + "/..").code(), Errc::Invalid);
  EXPECT_EQ(refusal_at(std::string("\0abstract", 9)).code(), Errc::Invalid);
  EXPECT_EQ(refusal_at(path() + std::string("\0x", 2)).code(), Errc::Invalid);
}

TEST_F(ListenerTest, SecondAcceptAtTheSameTimeIsRefused) {
  Listener listener = listen();
  std::optional<Result<Connection>> accepting;
  start(listener.accept(), accepting);
  settle();
  EXPECT_EQ(run(listener.accept()).error().code(), Errc::Conflict);
  const RawPeer client(raw_connect(path()));
  EXPECT_TRUE(finish(accepting));
}

TEST_F(ListenerTest, ClientThatLeftAgainIsAcceptedAndReadsAsClosed) {
  Listener listener = listen();
  raw_connect(path()).reset();
  auto connection = run(listener.accept());
  ASSERT_TRUE(connection);
  EXPECT_EQ(run(connection->read(1s)).error().code(), Errc::Closed);
}

TEST_F(ListenerTest, WhoIsNotLetInIsHungUpOnAndNobodyWaitsForIt) {
  Listener listener = listen();
  std::vector<uid_t> asked;
  listener.ask_first(
      [&asked](uid_t uid) {
        asked.push_back(uid);
        return asked.size() > 2;
      },
      0ms);
  RawPeer first(raw_connect(path())), second(raw_connect(path())), third(raw_connect(path()));
  auto connection = run(listener.accept());
  ASSERT_TRUE(connection) << connection.error().message();
  EXPECT_EQ(asked, std::vector<uid_t>(3, ::geteuid()));
  EXPECT_EQ(first.receive(1), "");
  EXPECT_EQ(second.receive(1), "");
  third.send(framed("hello"));
  EXPECT_EQ(run(connection->read(1s)).value(), "hello");
}

TEST_F(ListenerTest, WhoIsNotLetInMayHaveToWaitForItAndOthersStillComeIn) {
  Listener listener = listen();
  std::size_t asked = 0;
  listener.ask_first([&asked](uid_t) { return ++asked > 40; }, 20ms);
  const std::vector<RawPeer> peers = connect_times(41);
  const auto begin = std::chrono::steady_clock::now();
  auto connection = run(listener.accept());
  ASSERT_TRUE(connection) << connection.error().message();
  EXPECT_EQ(asked, 41u);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 40ms) << "after 16 and after 32";
}

TEST_F(ListenerTest, ARestIsTakenOnceForEachRow) {
  Listener listener = listen();
  std::size_t asked = 0;
  listener.ask_first([&asked](uid_t) { return ++asked > 16; }, 1s);
  const std::vector<RawPeer> peers = connect_times(18);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(run(listener.accept()));
  const auto rested = std::chrono::steady_clock::now();
  EXPECT_GE(rested - begin, 1s);
  ASSERT_TRUE(run(listener.accept()));
  EXPECT_LT(std::chrono::steady_clock::now() - rested, 900ms);
}

TEST_F(ListenerTest, CloseEndsTheRest) {
  Listener listener = listen();
  std::size_t asked = 0;
  listener.ask_first([&asked](uid_t) { return ++asked == 0; }, 60s);
  std::vector<RawPeer> peers;
  for (int i = 0; i < 16; ++i) peers.emplace_back(raw_connect(path()));
  std::optional<Result<Connection>> accepting;
  start(listener.accept(), accepting);
  settle();
  EXPECT_EQ(asked, 16u);
  listener.close();
  settle();
  ASSERT_TRUE(accepting);
  EXPECT_EQ(finish(accepting).error().code(), Errc::Cancelled);
}

TEST_F(ListenerTest, WithoutDescriptorsItWaitsAndRecovers) {
  Listener listener = listen();
  const RawPeer client(raw_connect(path()));
  settle();
  const int next = ::dup(client.fd());
  ::close(next);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(next);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto begin = std::chrono::steady_clock::now();
  const auto refused = run(listener.accept());
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Exhausted);
  EXPECT_GE(took, 90ms);  // A loop around accept() must not spin.
  EXPECT_TRUE(run(listener.accept()));
}

}  // namespace
}  // namespace de::link
