// What a source notices of a process it knows already, and what it says when it may not look; each of both sources.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "collect/linux/opener.h"
#include "kernel_support.h"
#include "own_source.h"

namespace de::collect {
namespace {

using namespace test;

class ToldAgain : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() != std::string("bpf")) return;
    auto iterator = ProcessIterator::open();
    if (!iterator && !de::test::bpf_must_work()) GTEST_SKIP() << iterator.error().message();
    ASSERT_TRUE(iterator) << iterator.error().message();
    iterator_ = std::move(*iterator);
  }
  std::unique_ptr<ProcessIterator> iterator_;
  TempDir dir_;
};

// Nothing about the process shows it: the file is looked at again all the same.
TEST_P(ToldAgain, AReplacedFileIsNoticedWithinEightSweeps) {
  const std::string program = copy_sleep(dir_, "program");
  const Child running = Child::running({program, "1000"});
  const OwnSource source({}, std::move(iterator_));
  EXPECT_EQ(sweep(*source).at(running.pid()).on_disk_state(), pb::ON_DISK_MATCH);
  std::filesystem::rename(copy_sleep(dir_, "other"), program);
  auto state = pb::ON_DISK_MATCH;
  for (int sweeps = 0; sweeps < 8 && state == pb::ON_DISK_MATCH; ++sweeps)
    state = sweep(*source).at(running.pid()).on_disk_state();
  EXPECT_EQ(state, pb::ON_DISK_REPLACED);
}

TEST_P(ToldAgain, WhatIsRefusedToUsIsMarked) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  const Child roots = Child::running({"/bin/sleep", "1000"});
  const pid_t nobody = ::fork();
  if (nobody == 0) {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(100);
    const OwnSource source({}, std::move(iterator_));
    for (int sweeps = 1; sweeps <= 9; ++sweeps) {
      const Records records = sweep(*source);
      const auto found = records.find(roots.pid());
      if (found == records.end()) ::_exit(101);
      if (found->second.accessible()) ::_exit(sweeps);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(nobody, &status, 0), nobody);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : 1000, 0);
}

// Somebody ended the process that reads for us: what we know without it is told, and that it is not all.
TEST_P(ToldAgain, WithoutItsOpenerNothingIsToldAsWhole) {
  const Child running = Child::running({"/bin/sleep", "1000"});
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  ::close(ends[1]);
  std::vector<UniqueFd> channels;
  channels.emplace_back(ends[0]);
  SourceOptions options;
  options.opener = std::make_shared<Opener>(std::move(channels));
  const OwnSource source(options, std::move(iterator_));
  const pb::ProcessRecord record = sweep(*source).at(running.pid());
  EXPECT_FALSE(record.accessible());
  EXPECT_EQ(record.name(), "sleep");
  EXPECT_TRUE(options.opener->is_gone());
}

INSTANTIATE_TEST_SUITE_P(Sources, ToldAgain, testing::Values("proc", "bpf"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace de::collect
