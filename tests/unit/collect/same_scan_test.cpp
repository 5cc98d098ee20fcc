// What did not change is not read and compared again; the snapshot must not show it.
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include "fed_collector.h"
#include "live_process.h"

namespace de::collect {
namespace {

using test::Child;
using test::TempDir;

class SameScan : public test::FedCollector {
 protected:
  void SetUp() override {
    CollectorOptions options;
    options.hash.state_dir = state_.path();
    open(options);
  }
  // What a scan says of a process, without what moves all the time.
  pb::ProcessRecord scan(std::uint32_t pid) {
    pb::ProcessRecord found;
    EventList events;
    const auto done = collector_->scan(
        [&](pb::ProcessRecord& record) {
          if (record.pid() == pid) found = record;
        },
        events);
    EXPECT_TRUE(done);
    found.clear_collection_time_ms();
    found.clear_cpu_usage();
    found.clear_cpu_user_ms();
    found.clear_cpu_system_ms();
    found.clear_boot_time_ms();
    found.clear_start_time_ms();
    return found;
  }
  pb::ProcessRecord scan_until_hashed(std::uint32_t pid) {
    for (int tries = 0; tries < 200; ++tries) {
      pb::ProcessRecord record = scan(pid);
      if (record.has_executable_hash()) return record;
      ::usleep(20'000);
    }
    ADD_FAILURE() << "never hashed";
    return scan(pid);
  }
  TempDir state_;
};

TEST_F(SameScan, AnUnchangedProcessIsToldWholeEachTime) {
  const Child forked([] {});
  const Child executed = Child::running({"/bin/sleep", "1000"});
  ASSERT_TRUE(collector_->collect_events());
  for (const Child* child : {&forked, &executed}) {
    const pb::ProcessRecord first = scan_until_hashed(child->pid());
    EXPECT_FALSE(first.executable_path().empty());
    EXPECT_GT(first.command_line_size(), 0);
    EXPECT_FALSE(first.cgroup().empty());
    EXPECT_TRUE(first.has_memory_usage());
    EXPECT_TRUE(first.has_fd_count());
    for (int i = 0; i < 20; ++i) ASSERT_EQ(scan(child->pid()).ShortDebugString(), first.ShortDebugString()) << i;
  }
}

TEST_F(SameScan, WhatChangesInBetweenIsTold) {
  TempDir dir;
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const std::string path = dir.path();
  const pid_t child = ::fork();
  if (child == 0) {  // Takes a step for each byte it gets.
    char byte = 0;
    (void)!::read(go[0], &byte, 1);
    (void)!::chdir(path.c_str());
    (void)!::read(go[0], &byte, 1);
    ::prctl(PR_SET_NAME, "renamed");
    (void)!::read(go[0], &byte, 1);
    ::execl("/bin/sleep", "/bin/sleep", "1000", nullptr);
    ::_exit(1);
  }
  const auto pid = static_cast<std::uint32_t>(child);
  const auto step_until = [&](const auto& is_done) {
    (void)scan_until_hashed(pid);
    (void)scan(pid);
    EXPECT_EQ(::write(go[1], "x", 1), 1);
    for (int tries = 0; tries < 100; ++tries) {
      if (is_done(scan(pid))) return true;
      ::usleep(10'000);
    }
    return false;
  };
  EXPECT_TRUE(step_until([&](const pb::ProcessRecord& record) { return record.cwd() == path; }));
  EXPECT_TRUE(step_until([](const pb::ProcessRecord& record) { return record.name() == "renamed"; }));
  EXPECT_TRUE(step_until([](const pb::ProcessRecord& record) {
    return record.name() == "sleep" && record.command_line_size() == 2 && record.exec_seq() == 1;
  }));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(go[0]);
  ::close(go[1]);
}

}  // namespace
}  // namespace de::collect
