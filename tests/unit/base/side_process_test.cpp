#include "daemoneye/base/side_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <csignal>
#include <string>

namespace de {
namespace {

Channel open_channel() {
  Channel out;
  auto made = make_channel();
  EXPECT_TRUE(made);
  if (made) out = std::move(*made);
  return out;
}

class Channels : public testing::Test {
 protected:
  Channel channel = open_channel();
};

TEST_F(Channels, CarryWholePacketsInTheirOrder) {
  ASSERT_TRUE(send_packet(channel.ours.get(), std::string("first")));
  ASSERT_TRUE(send_packet(channel.ours.get(), std::string("second")));
  const auto first = receive_packet(channel.theirs.get(), 64);
  const auto second = receive_packet(channel.theirs.get(), 64);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(std::string(first->bytes.begin(), first->bytes.end()), "first");
  EXPECT_EQ(std::string(second->bytes.begin(), second->bytes.end()), "second");
  EXPECT_FALSE(first->fd);
}

TEST_F(Channels, CarryADescriptorThatIsClosedOnExec) {
  const UniqueFd null(::open("/dev/null", O_RDONLY));
  ASSERT_TRUE(send_packet(channel.ours.get(), std::string("x"), null.get()));
  const auto got = receive_packet(channel.theirs.get(), 64);
  ASSERT_TRUE(got && got->fd);
  struct stat here, there;
  ASSERT_EQ(::fstat(null.get(), &here), 0);
  ASSERT_EQ(::fstat(got->fd.get(), &there), 0);
  EXPECT_EQ(here.st_rdev, there.st_rdev);
  EXPECT_EQ(::fcntl(got->fd.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(Channels, RefuseMoreThanTheReaderTakesAndGoOn) {
  ASSERT_TRUE(send_packet(channel.ours.get(), std::string(65, 'x')));
  ASSERT_TRUE(send_packet(channel.ours.get(), std::string(64, 'y')));
  const auto longer = receive_packet(channel.theirs.get(), 64);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code(), Errc::TooLarge);
  const auto next = receive_packet(channel.theirs.get(), 64);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->bytes.size(), 64U);
}

TEST_F(Channels, SayThatTheOtherEndIsGone) {
  channel.theirs.reset();
  EXPECT_EQ(send_packet(channel.ours.get(), std::string("x")).error().code(), Errc::Closed);
  EXPECT_EQ(receive_packet(channel.ours.get(), 64).error().code(), Errc::Closed);
}

TEST_F(Channels, SayThatTheirLimitOfTimeIsOver) {
  const timeval limit{0, 10'000};
  ASSERT_EQ(::setsockopt(channel.ours.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
  EXPECT_EQ(receive_packet(channel.ours.get(), 64).error().code(), Errc::Timeout);
}

TEST(SideProcess, KeepsWhatItIsToKeepAndOutlivesTheSignalsOfTheDaemon) {
  Channel kept = open_channel();
  const UniqueFd low(::open("/dev/null", O_RDONLY));
  const UniqueFd high(::fcntl(low.get(), F_DUPFD, 200));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    become_side_process("de-side", {kept.theirs.get()});
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) (void)::raise(number);
    const bool is_closed = ::fcntl(low.get(), F_GETFD) < 0 && ::fcntl(high.get(), F_GETFD) < 0 &&
                           ::fcntl(kept.ours.get(), F_GETFD) < 0 && ::fcntl(STDERR_FILENO, F_GETFD) >= 0;
    const bool is_kept = send_packet(kept.theirs.get(), std::string("here")).has_value();
    ::_exit(is_closed && is_kept ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(receive_packet(kept.ours.get(), 64));
}

}  // namespace
}  // namespace de
