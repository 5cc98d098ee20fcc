#include "collect/live_processes.h"

#include <gmock/gmock.h>

namespace de::collect {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr std::int64_t kNow = 1'700'000'000'000;

std::string uid(char c) { return std::string(16, c); }

pb::ProcessRecord process(std::uint32_t pid, char identity, const std::string& name = "prog") {
  pb::ProcessRecord record;
  record.set_pid(pid);
  record.set_process_uid(uid(identity));
  record.set_ppid(1);
  record.set_name(name);
  record.set_executable_path("/usr/bin/" + name);
  record.set_exe_dev(1);
  record.set_exe_inode(100);
  record.add_command_line(name);
  record.add_command_line("-x");
  record.set_start_time_ms(kNow - 60'000);
  record.set_user_id("1000");
  record.set_euid(1000);
  record.set_memory_usage(1'000'000);
  record.set_cpu_usage(1.0);
  record.set_on_disk_state(pb::ON_DISK_MATCH);
  record.set_accessible(true);
  return record;
}

class Diff : public testing::Test {
 protected:
  EventList run(const std::vector<pb::ProcessRecord>& records, std::int64_t now = kNow) {
    EventList events;
    diff_.begin(now, events);
    for (pb::ProcessRecord record : records) diff_.observe(record, events);
    diff_.finish(events);
    return events;
  }
  TextPool texts_;
  LiveProcesses diff_{DiffOptions{}, texts_};
};

TEST_F(Diff, TheFirstSweepIsNoNews) {
  EXPECT_THAT(run({process(10, 'a'), process(11, 'b')}), IsEmpty());
  EXPECT_EQ(diff_.tracked(), 2u);
  EXPECT_THAT(run({process(10, 'a'), process(11, 'b')}), IsEmpty());
}

TEST_F(Diff, AFailedFirstSweepStaysTheFirst) {
  EventList events;
  diff_.begin(kNow, events);
  pb::ProcessRecord record = process(10, 'a');
  diff_.observe(record, events);
  EXPECT_THAT(run({process(10, 'a'), process(11, 'b')}), IsEmpty());
  EXPECT_THAT(events, IsEmpty());
}

TEST_F(Diff, StartCarriesTheParentWhereverItStandsInTheList) {
  run({});
  pb::ProcessRecord parent = process(20, 'p', "sshd");
  pb::ProcessRecord child = process(10, 'c', "bash");
  child.set_ppid(20);
  child.set_parent_uid(uid('p'));
  const auto events = run({child, parent});
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].event_type(), pb::EVENT_TYPE_START);
  EXPECT_EQ(events[0].process().name(), "bash");
  EXPECT_EQ(events[0].parent_name(), "sshd");
  EXPECT_EQ(events[0].parent_executable_path(), "/usr/bin/sshd");
  EXPECT_EQ(events[0].parent_command_line(), "sshd -x");
  EXPECT_EQ(events[0].event_time_ms(), kNow - 60'000);
  EXPECT_FALSE(events[1].has_parent_name());
}

TEST_F(Diff, AParentIsAnIdentityNotANumber) {
  run({process(20, 'p', "impostor")});
  pb::ProcessRecord child = process(10, 'c');
  child.set_ppid(20);
  child.set_parent_uid(uid('q'));
  EXPECT_FALSE(run({process(20, 'p', "impostor"), child})[0].has_parent_name());
}

TEST_F(Diff, ExitSaysWhatItWas) {
  pb::ProcessRecord record = process(10, 'a', "job");
  record.set_container_id("c1");
  record.set_executable_hash("abcd");
  record.set_hash_algorithm("sha256");
  run({record});
  const auto events = run({});
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].event_type(), pb::EVENT_TYPE_EXIT);
  EXPECT_EQ(events[0].duration_ms(), 60'000u);
  EXPECT_EQ(events[0].event_time_ms(), kNow);
  const pb::ProcessRecord& was = events[0].process();
  EXPECT_EQ(was.pid(), 10u);
  EXPECT_EQ(was.process_uid(), uid('a'));
  EXPECT_EQ(was.name(), "job");
  EXPECT_THAT(was.command_line(), ElementsAre("job", "-x"));
  EXPECT_EQ(was.executable_hash(), "abcd");
  EXPECT_EQ(was.container_id(), "c1");
  EXPECT_EQ(was.start_time_ms(), kNow - 60'000);
  EXPECT_FALSE(was.has_memory_usage());
  EXPECT_EQ(diff_.tracked(), 0u);
}

TEST_F(Diff, TheParentOfAnExitIsKnownEvenWhenBothEnd) {
  pb::ProcessRecord child = process(10, 'c', "child");
  child.set_ppid(20);
  child.set_parent_uid(uid('p'));
  run({child, process(20, 'p', "parent")});
  for (const pb::ProcessEvent& event : run({})) {
    EXPECT_EQ(event.parent_name(), event.process().name() == "child" ? "parent" : "");
  }
}

TEST_F(Diff, AReusedPidIsAnExitAndAStart) {
  run({process(10, 'a', "old")});
  const auto events = run({process(10, 'b', "new")});
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].event_type(), pb::EVENT_TYPE_EXIT);
  EXPECT_EQ(events[0].process().name(), "old");
  EXPECT_EQ(events[1].event_type(), pb::EVENT_TYPE_START);
  EXPECT_EQ(events[1].process().name(), "new");
}

TEST_F(Diff, ModifiedNamesTheFields) {
  struct Case {
    const char* field;
    std::function<void(pb::ProcessRecord&)> change;
  };
  const std::vector<Case> cases = {
      {"command_line", [](auto& r) { r.set_command_line(1, "-y"); }},
      {"executable_path", [](auto& r) { r.set_executable_path("/renamed"); }},
      {"user_id", [](auto& r) { r.set_user_id("0"); }},
      {"euid", [](auto& r) { r.set_euid(0); }},
      {"on_disk_state", [](auto& r) { r.set_on_disk_state(pb::ON_DISK_DELETED); }},
      {"executable_hash", [](auto& r) { r.set_executable_hash("2222"); }},
      {"cap_effective", [](auto& r) { r.set_cap_effective(1); }},
  };
  for (const Case& c : cases) {
    TextPool texts;
    LiveProcesses diff{DiffOptions{}, texts};
    EventList events;
    pb::ProcessRecord record = process(10, 'a');
    record.set_executable_hash("1111");
    record.set_hash_algorithm("sha256");
    record.set_cap_effective(0);
    diff.begin(kNow, events);
    diff.observe(record, events);
    diff.finish(events);
    c.change(record);
    for (int i = 0; i < 2; ++i) {  // Once, not again with every sweep.
      diff.begin(kNow, events);
      diff.observe(record, events);
      diff.finish(events);
    }
    ASSERT_THAT(events, SizeIs(1)) << c.field;
    EXPECT_EQ(events[0].event_type(), pb::EVENT_TYPE_MODIFIED);
    EXPECT_THAT(events[0].modified_fields(), ElementsAre(c.field));
  }
}

TEST_F(Diff, WhatBecomesKnownDidNotChange) {
  pb::ProcessRecord blind = process(10, 'a');
  blind.clear_executable_path();
  blind.clear_exe_inode();
  blind.clear_user_id();
  blind.clear_command_line();
  blind.set_on_disk_state(pb::ON_DISK_UNKNOWN);
  run({blind});
  pb::ProcessRecord seen = process(10, 'a');
  seen.set_executable_hash("1111");
  EXPECT_THAT(run({seen}), IsEmpty());
  EXPECT_THAT(run({blind}), IsEmpty());
}

TEST_F(Diff, AnExecIsModifiedAndNotSuspicious) {
  run({process(10, 'a', "sh")});
  pb::ProcessRecord after = process(10, 'a', "ls");
  after.set_exe_inode(200);
  after.set_exec_seq(1);
  const auto events = run({after});
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_THAT(events[0].modified_fields(), UnorderedElementsAre("name", "executable_path", "command_line", "exec_seq"));
}

TEST_F(Diff, AnotherImageWithoutExecIsSuspicious) {
  run({process(10, 'a')});
  pb::ProcessRecord after = process(10, 'a');
  after.set_executable_path("/tmp/evil");
  after.set_exe_inode(666);
  const auto events = run({after});
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[1].event_type(), pb::EVENT_TYPE_SUSPICIOUS);
  EXPECT_EQ(events[1].severity(), pb::SEVERITY_HIGH);
  EXPECT_EQ(events[1].reason(), "executable changed without exec");
}

TEST_F(Diff, AnotherNameWithoutExecIsSuspicious) {
  run({process(10, 'a')});
  pb::ProcessRecord after = process(10, 'a');
  after.set_name("sshd");
  const auto events = run({after});
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[1].severity(), pb::SEVERITY_MEDIUM);
  EXPECT_EQ(events[1].reason(), "name changed without exec");
}

TEST_F(Diff, KernelThreadsMayDoAsTheyLike) {
  pb::ProcessRecord worker = process(30, 'k', "kworker/0:1");
  worker.set_kernel_thread(true);
  worker.clear_exe_inode();
  worker.clear_executable_path();
  run({worker});
  worker.set_name("kworker/0:1-ev");
  EXPECT_THAT(run({worker}), IsEmpty());
}

TEST_F(Diff, WhoCannotSeeTheImageCallsNoNameSuspicious) {
  pb::ProcessRecord record = process(10, 'a');
  record.clear_exe_inode();
  run({record});
  record.set_name("renamed");
  const auto events = run({record});
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].event_type(), pb::EVENT_TYPE_MODIFIED);
}

TEST_F(Diff, StartInTheFuture) {
  run({});
  pb::ProcessRecord record = process(10, 'a');
  record.set_start_time_ms(kNow + 3'600'000);
  const auto events = run({record});
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].event_time_ms(), kNow) << "no event lies in the future";
  EXPECT_EQ(events[1].reason(), "start in the future");
  EXPECT_EQ(events[1].severity(), pb::SEVERITY_HIGH);
}

TEST_F(Diff, ParentYoungerThanChild) {
  run({});
  pb::ProcessRecord parent = process(20, 'p');
  parent.set_start_time_ms(kNow - 1'000);
  pb::ProcessRecord child = process(10, 'c');
  child.set_ppid(20);
  child.set_parent_uid(uid('p'));
  const auto events = run({parent, child});
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(events[2].reason(), "parent younger than child");
  EXPECT_EQ(events[2].process().pid(), 10u);
  EXPECT_EQ(events[2].parent_name(), "prog");
}

TEST_F(Diff, AProcessWeCannotLookAtHasNotEnded) {
  run({process(10, 'a')});
  pb::ProcessRecord refused;
  refused.set_pid(10);
  EXPECT_THAT(run({refused}), IsEmpty());
  EXPECT_THAT(run({process(10, 'a')}), IsEmpty());
}

TEST_F(Diff, AnUnfinishedSweepEndsNobody) {
  run({process(10, 'a'), process(11, 'b')});
  EventList events;
  diff_.begin(kNow, events);
  EXPECT_THAT(run({process(10, 'a'), process(11, 'b')}), IsEmpty());
}

TEST_F(Diff, EventsOfOthersAreLeftAlone) {
  run({});
  EventList events;
  events.Add();
  diff_.begin(kNow, events);
  pb::ProcessRecord record = process(10, 'a');
  diff_.observe(record, events);
  diff_.finish(events);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].event_type(), pb::EVENT_TYPE_UNKNOWN);
}

TEST(DiffMetrics, OnlyWhenAskedFor) {
  TextPool texts;
  LiveProcesses diff{DiffOptions{50, 25}, texts};
  EventList events;
  const auto sweep = [&](std::uint64_t memory, double cpu) {
    pb::ProcessRecord record = process(10, 'a');
    record.set_memory_usage(memory);
    record.set_cpu_usage(cpu);
    events.Clear();
    diff.begin(kNow, events);
    diff.observe(record, events);
    diff.finish(events);
  };
  sweep(1'000'000, 10);
  sweep(1'400'000, 30);
  EXPECT_THAT(events, IsEmpty());
  sweep(1'600'000, 30);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_THAT(events[0].modified_fields(), ElementsAre("memory_usage")) << "slow growth adds up";
  sweep(1'600'000, 60);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_THAT(events[0].modified_fields(), ElementsAre("cpu_usage"));
}

}  // namespace
}  // namespace de::collect
