// The opener behind the list of system calls that it keeps: every one of its requests is still answered.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "collect/linux/opener.h"
#include "collect/linux/opener_service.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/proc_stat.h"
#include "daemon/confine.h"

namespace de::daemon {
namespace {

std::uint64_t own_start() {
  const UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto dir = collect::ProcDir::open(proc.get(), static_cast<std::uint32_t>(::getpid()));
  std::string text;
  const auto read = dir->read("stat", text, 4096);
  return collect::parse_proc_stat(*read)->start_ticks;
}

TEST(ConfinedOpener, AnswersEachOfItsRequests) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const pid_t opener = ::fork();
  if (opener == 0) {
    ::close(ends[0]);
    guard::Held held;
    if (!confine_opener(held)) ::_exit(10);
    std::vector<UniqueFd> channels;
    channels.emplace_back(ends[1]);
    ::_exit(collect::serve_opener(std::move(channels), "/proc") ? 0 : 11);
  }
  ::close(ends[1]);
  const auto pid = static_cast<std::uint32_t>(::getpid());
  const std::uint64_t start = own_start();
  {
    std::vector<UniqueFd> channels;
    channels.emplace_back(ends[0]);
    collect::Opener asked(std::move(channels));
    EXPECT_TRUE(asked.signs(std::span(&pid, 1)));
    EXPECT_TRUE(asked.use(std::span(&pid, 1), collect::kTellAllUse));
    EXPECT_TRUE(asked.facts(pid, start));
    EXPECT_TRUE(asked.image(pid, start));
    EXPECT_TRUE(asked.open_executable(pid, start));
    EXPECT_TRUE(asked.open_environment(pid, start));
    EXPECT_TRUE(asked.open_program("/usr/bin/sleep"));
    const auto files = asked.files(pid, start, 0);
    ASSERT_TRUE(files) << files.error().message();
    EXPECT_GE(files->files.size(), 3u);
    EXPECT_TRUE(files->files[0].link);
    EXPECT_FALSE(asked.is_gone());
  }
  int status = 0;
  ASSERT_EQ(::waitpid(opener, &status, 0), opener);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), 0);
}

}  // namespace
}  // namespace de::daemon
