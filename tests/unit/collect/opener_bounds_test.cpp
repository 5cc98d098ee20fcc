// What the opener takes for a request, what it opens for whoever asks, and what it says when it may not look itself.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "collect/linux/opener.h"
#include "collect/linux/opener_answer.h"
#include "collect/linux/proc_stat.h"
#include "live_process.h"
#include "own_source.h"

namespace de::collect {
namespace {

using namespace test;

// Nothing where there is no error: that of a result which has none is whatever was there before.
template <class T>
std::optional<Errc> error_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error().code());
}

bool is_request(Ask ask, std::uint32_t count, std::uint32_t path_bytes, const std::string& more,
                std::uint32_t use = 0) {
  const OpenerRequest head{ask, count, path_bytes, use};
  std::string bytes(sizeof head, '\0');
  std::memcpy(bytes.data(), &head, sizeof head);
  return parse_request(bytes + more).has_value();
}

TEST(OpenerBounds, ARequestIsAsLongAsItSays) {
  const std::string one(sizeof(AskedProcess), 'x');
  EXPECT_TRUE(is_request(Ask::Facts, 1, 0, one));
  EXPECT_FALSE(is_request(Ask::Facts, 1, 4, one)) << "a path, where there is none to be";
  EXPECT_FALSE(is_request(Ask::Facts, 1, 4, one + "/bin"));
  EXPECT_TRUE(is_request(Ask::Program, 0, 4, "/bin"));
  EXPECT_FALSE(is_request(Ask::Program, 0, 3, "/bin")) << "more than it says";
  const std::string longest = "/" + std::string(kMaxTextBytes - 1, 'x');
  EXPECT_TRUE(is_request(Ask::Program, 0, kMaxTextBytes, longest));
  EXPECT_FALSE(is_request(Ask::Program, 0, kMaxTextBytes + 1, longest + "x"));
}

TEST(OpenerBounds, UseIsAskedForByThoseWhoTellIt) {
  const std::string one(sizeof(AskedProcess), 'x'), two = one + one;
  EXPECT_TRUE(is_request(Ask::Use, 2, 0, two, kTellAllUse));
  EXPECT_FALSE(is_request(Ask::Use, 2, 0, two, kTellAllUse + 1));
  EXPECT_FALSE(is_request(Ask::Use, 2, 0, one, kTellIo));
  EXPECT_FALSE(is_request(Ask::Use, 65, 0, std::string(65 * sizeof(AskedProcess), 'x'), kTellIo));
  EXPECT_FALSE(is_request(Ask::Use, 0, 0, "", kTellIo));
  for (const Ask with : {Ask::Signs, Ask::Facts, Ask::Use}) EXPECT_TRUE(is_request(with, 1, 0, one, kTellIo));
  for (const Ask without : {Ask::Image, Ask::Executable, Ask::Environment}) {
    EXPECT_TRUE(is_request(without, 1, 0, one));
    EXPECT_FALSE(is_request(without, 1, 0, one, kTellIo));
  }
  EXPECT_FALSE(is_request(Ask::Program, 0, 4, "/bin", kTellIo));
}

TEST(OpenerBounds, FilesAreAskedForOfOneProcess) {
  const std::string one(sizeof(AskedProcess), 'x');
  EXPECT_TRUE(is_request(Ask::Files, 1, 0, one));
  EXPECT_FALSE(is_request(Ask::Files, 2, 0, one + one));
  EXPECT_FALSE(is_request(Ask::Files, 1, 0, one, kTellIo));
  EXPECT_FALSE(is_request(Ask::Files, 1, 4, one + "/bin"));
  EXPECT_FALSE(is_request(Ask::Files, 0, 0, ""));
}

TEST(OpenerBounds, OnlyTheUseThatIsAskedForIsReadAndCounted) {
  const Child child = Child::running({"/bin/sleep", "1000"});
  const auto ticks = parse_proc_stat(stat_of(child.pid()))->start_ticks;
  const std::uint32_t pids[] = {child.pid(), 4'000'000'000U};
  for (const std::uint32_t use : {0U, kTellDescriptors, kTellIo, kTellAllUse}) {
    Opener opener(open_proc());
    const auto told = opener.use(pids, use);
    const auto signs = opener.signs(pids, use);
    const auto facts = opener.facts(child.pid(), ticks, use);
    ASSERT_TRUE(told && signs && facts);
    ASSERT_EQ(told->size(), 2u);
    EXPECT_EQ((*told)[0].start_ticks, ticks);
    EXPECT_EQ((*told)[1].start_ticks, 0u);
    for (const ToldUse& one : {(*told)[0].use, (*signs)[0].use, facts->signs.use}) {
      EXPECT_EQ(one.descriptors >= 0, (use & kTellDescriptors) != 0);
      EXPECT_EQ(one.has_io != 0, (use & kTellIo) != 0);
    }
    EXPECT_TRUE((*signs)[0].image) << "whatever is asked of the use";
    EXPECT_EQ(opener.descriptor_reads(), (use & kTellDescriptors) != 0 ? 5u : 0u);
    EXPECT_EQ(opener.io_reads(), (use & kTellIo) != 0 ? 5u : 0u);
  }
}

TEST(OpenerBounds, PipesAndDirectoriesThatMayBeExecutedAreNoPrograms) {
  TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir((dir / "directory").c_str(), 0755), 0);
  Opener opener(open_proc());
  EXPECT_TRUE(opener.open_program("/usr/bin/sleep"));
  for (const char* name : {"pipe", "directory"})
    EXPECT_EQ(error_of(opener.open_program(dir / name)), Errc::Denied) << name;
}

// Somebody exchanges the program for what is none between the look at it and the opening.
TEST(OpenerBounds, WhatIsOpenedIsWhatWasLookedAt) {
  TempDir dir;
  const std::string program = copy_sleep(dir, "program"), secret = dir.write("secret", "text");
  ASSERT_EQ(::chmod(secret.c_str(), 0600), 0);
  std::atomic<bool> done = false;
  std::thread exchanges([&] {
    while (!done) (void)::renameat2(AT_FDCWD, program.c_str(), AT_FDCWD, secret.c_str(), RENAME_EXCHANGE);
  });
  Opener opener(open_proc());
  int opened = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto fd = opener.open_program(program);
    if (!fd) continue;
    ++opened;
    struct stat facts {};
    EXPECT_EQ(::fstat(fd->get(), &facts), 0);
    EXPECT_NE(facts.st_mode & 0111, 0u);
    if (testing::Test::HasFailure()) break;
  }
  done = true;
  exchanges.join();
  EXPECT_GT(opened, 0);
}

TEST(OpenerBounds, TheSignsAreThoseOfStat) {
  const Child child = Child::running({"/bin/sleep", "1000"});
  const auto stat = parse_proc_stat(stat_of(child.pid()));
  ASSERT_TRUE(stat);
  Opener opener(open_proc());
  const std::uint32_t pid = child.pid();
  const auto signs = opener.signs(std::span(&pid, 1));
  ASSERT_TRUE(signs) << signs.error().message();
  EXPECT_EQ(signs->front().start_ticks, stat->start_ticks);
  EXPECT_EQ(signs->front().start_code, stat->start_code);
  EXPECT_EQ(signs->front().start_stack, stat->start_stack);
  EXPECT_GT(signs->front().start_code, 1u);
}

// Where nobody has the privileges, what is refused is told apart from what is not there.
TEST(OpenerBounds, WithoutPrivilegesItSaysThatItIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  const Child child = Child::running({"/bin/sleep", "1000"});
  const auto stat = parse_proc_stat(stat_of(child.pid()));
  ASSERT_TRUE(stat);
  const pid_t nobody = ::fork();
  if (nobody == 0) {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(100);
    Opener opener(open_proc());
    const auto facts = opener.facts(child.pid(), stat->start_ticks);
    if (!facts) ::_exit(1);
    if (error_of(facts->signs.image) != Errc::Denied) ::_exit(2);
    if (error_of(facts->links[0]) != Errc::Denied) ::_exit(3);
    if (error_of(opener.open_executable(child.pid(), stat->start_ticks)) != Errc::Denied) ::_exit(4);
    ::_exit(error_of(opener.facts(child.pid(), stat->start_ticks + 1)) == Errc::NotFound ? 0 : 5);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(nobody, &status, 0), nobody);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : 1000, 0);
}

}  // namespace
}  // namespace de::collect
