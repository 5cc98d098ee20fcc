// What the collector leaves out at each level, with the kernel's own events of real processes.
#include "collect/shed.h"

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "collect/collector.h"
#include "collect/linux/bpf_feed.h"
#include "kernel_support.h"
#include "temp_dir.h"

namespace de::collect {
namespace {

TEST(ShedMarker, IsSaidOnceAndTakenBack) {
  pb::ProcessRecord record;
  add_shed(pb::SHED_HASH, record);
  add_shed(pb::SHED_HASH, record);
  add_shed(pb::SHED_ARGUMENTS, record);
  EXPECT_EQ(record.shed_size(), 2);
  drop_shed(pb::SHED_HASH, record);
  EXPECT_FALSE(has_shed(pb::SHED_HASH, record));
  EXPECT_TRUE(has_shed(pb::SHED_ARGUMENTS, record));
}

class CollectorShedding : public testing::Test {
 protected:
  void SetUp() override {
    FeedOptions capture;
    capture.capture.environment = true;
    auto feed = open_bpf(capture, system_clock());
    ASSERT_TRUE(feed || !de::test::bpf_must_work()) << feed.error().message();
    if (!feed) GTEST_SKIP() << feed.error().message();
    CollectorOptions options;
    options.source.collect_environment = true;
    auto created = Collector::create(options, system_clock(), std::move(*feed));
    ASSERT_TRUE(created) << created.error().message();
    collector = std::move(*created);
    scan();
    std::filesystem::copy_file("/bin/sleep", dir.path() + "/program");
    // Younger files are not hashed yet.
    ::usleep(2'500'000);
  }
  void TearDown() override {
    for (const pid_t child : children) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
  }
  pid_t start() {
    std::string path = dir.path() + "/program", seconds = "60", tail(50'000, '0'), variable = "A=1";
    char* argv[] = {path.data(), seconds.data(), tail.data(), nullptr};
    char* envp[] = {variable.data(), nullptr};
    pid_t child = 0;
    EXPECT_EQ(::posix_spawn(&child, path.c_str(), nullptr, nullptr, argv, envp), 0);
    children.push_back(child);
    return child;
  }
  void collect() {
    const auto collected = collector->collect_events();
    ASSERT_TRUE(collected);
    std::size_t at = 0;
    for (const auto& item : collected->events.items) {
      pb::ProcessEvent event;
      ASSERT_TRUE(event.ParseFromString(collected->events.bytes.substr(at, item.bytes)));
      at += item.bytes;
      if (event.event_type() == pb::EVENT_TYPE_EXEC) execs[event.process().pid()] = event.process();
      if (event.event_type() == pb::EVENT_TYPE_EXIT) exits[event.process().pid()] = event.process();
    }
  }
  pb::ProcessRecord exec_of(pid_t child) {
    for (int tries = 0; tries < 2'000 && !execs.contains(static_cast<std::uint32_t>(child)); ++tries) {
      collect();
      ::usleep(1'000);
    }
    return execs[static_cast<std::uint32_t>(child)];
  }
  void scan() {
    EventList events;
    scanned.clear();
    ASSERT_TRUE(collector->scan([this](pb::ProcessRecord& record) { scanned[record.pid()] = record; }, events));
  }

  de::test::TempDir dir;
  std::unique_ptr<Collector> collector;
  std::vector<pid_t> children;
  std::map<std::uint32_t, pb::ProcessRecord> execs, exits, scanned;
};

TEST_F(CollectorShedding, NoHashIsAskedForFromTheSecondLevelOnAndItIsSaid) {
  if (IsSkipped()) return;
  collector->shed(Shedding::Hashes);
  collect();  // From the next drain on.
  for (int i = 0; i < 3; ++i) {
    const pb::ProcessRecord record = exec_of(start());
    EXPECT_FALSE(record.has_executable_hash());
    EXPECT_TRUE(has_shed(pb::SHED_HASH, record) && has_shed(pb::SHED_ENVIRONMENT, record));
    EXPECT_FALSE(has_shed(pb::SHED_ARGUMENTS, record));
    EXPECT_EQ(record.command_line(2).size(), 50'000U);
    ::usleep(200'000);
  }
  EXPECT_GE(collector->shed_counts().hashes, 3U);
  EXPECT_GE(collector->shed_counts().environments, 3U);
  scan();
  EXPECT_TRUE(has_shed(pb::SHED_HASH, scanned[static_cast<std::uint32_t>(children[0])]));

  collector->shed(Shedding::Nothing);
  collect();
  pb::ProcessRecord record;
  for (int tries = 0; tries < 100 && !record.has_executable_hash(); ++tries) {
    record = exec_of(start());
    EXPECT_EQ(record.shed_size(), 0);
    EXPECT_EQ(record.environment_size(), 1);
    ::usleep(50'000);
  }
  EXPECT_TRUE(record.has_executable_hash()) << "it is asked for again";

  // What is known is told at every level.
  collector->shed(Shedding::Arguments);
  collect();
  record = exec_of(start());
  EXPECT_TRUE(record.has_executable_hash());
  EXPECT_FALSE(has_shed(pb::SHED_HASH, record));
  EXPECT_TRUE(has_shed(pb::SHED_ARGUMENTS, record));
}

// The marker is where the cut arguments are: in the row of a scan, and at the end.
TEST_F(CollectorShedding, WhatWasCutIsCutInLaterRecordsToo) {
  if (IsSkipped()) return;
  collector->shed(Shedding::Arguments);
  collect();
  const pid_t child = start();
  const auto pid = static_cast<std::uint32_t>(child);
  EXPECT_TRUE(has_shed(pb::SHED_ARGUMENTS, exec_of(child)));
  EXPECT_GE(collector->shed_counts().arguments, 1U);
  collector->shed(Shedding::Nothing);
  collect();
  scan();
  ASSERT_TRUE(scanned.contains(pid));
  EXPECT_LT(scanned[pid].command_line(2).size(), 10'000U);
  EXPECT_TRUE(has_shed(pb::SHED_ARGUMENTS, scanned[pid]));
  EXPECT_FALSE(has_shed(pb::SHED_ENVIRONMENT, scanned[pid])) << "a scan reads it anew";
  EXPECT_EQ(scanned[pid].environment_size(), 1);
  ::kill(child, SIGKILL);
  for (int tries = 0; tries < 2'000 && !exits.contains(pid); ++tries) {
    collect();
    ::usleep(1'000);
  }
  EXPECT_TRUE(has_shed(pb::SHED_ARGUMENTS, exits[pid]));
  EXPECT_FALSE(has_shed(pb::SHED_ENVIRONMENT, exits[pid]));
}

}  // namespace
}  // namespace de::collect
