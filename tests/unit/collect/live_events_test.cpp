// The model fed by kernel events, alone and while scans run.
#include <gmock/gmock.h>

#include "collect/identity.h"
#include "collect/live_processes.h"
#include "read_back.h"

namespace de::collect {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kBootMs = 1'700'000'000'000;
constexpr const char* kBoot = "6a1f0d3e-8c57-5b42-9e10-4d61656d6f6e";
constexpr std::uint64_t kMs = 1'000'000;

class LiveEvents : public testing::Test {
 protected:
  LiveEvents() {
    live.set_boot({kBoot, kBootMs});
    live.set_fed(true);
  }
  static std::uint64_t start_of(std::uint32_t pid) { return pid * 100 * kMs; }
  static std::string uid(std::uint32_t pid) { return process_uid(kBoot, pid, start_of(pid)); }

  // As whoever reads the spool gets them.
  EventList apply(KernelEvent event, pb::ProcessRecord seen) {
    ToldEvents told;
    event.seen = &seen;
    live.identify(event);
    live.apply(event, told);
    return read_back(told);
  }
  // "20 bash /bin/bash > 1 init /bin/init"
  static std::string ancestors(const pb::ProcessEvent& event) {
    pb::Ancestry ancestry;
    EXPECT_TRUE(ancestry.ParseFromString(event.ancestry()));
    std::string out;
    for (const pb::Ancestor& one : ancestry.ancestors())
      out += (out.empty() ? "" : " > ") + std::to_string(one.pid()) + " " + one.name() + " " + one.executable_path() +
             (one.cut() ? " ..." : "");
    return out;
  }
  static KernelEvent about(KernelEventKind kind, std::uint32_t pid, std::uint32_t ppid, std::uint64_t time_ns) {
    KernelEvent event;
    event.kind = kind;
    event.pid = pid;
    event.start_ns = start_of(pid);
    event.time_ns = time_ns;
    event.ppid = ppid;
    event.parent_start_ns = start_of(ppid);
    return event;
  }
  EventList fork(std::uint32_t pid, std::uint32_t ppid) {
    pb::ProcessRecord seen;
    seen.set_name("forked");
    seen.set_user_id("1000");
    seen.set_source(pb::RECORD_SOURCE_BPF);
    seen.set_pidfs_inode(10'000 + pid);
    return apply(about(KernelEventKind::Fork, pid, ppid, now += kMs), seen);
  }
  EventList exec(std::uint32_t pid, std::uint32_t ppid, const std::string& name, const std::vector<std::string>& argv) {
    pb::ProcessRecord seen;
    seen.set_name(name);
    seen.set_user_id("1000");
    seen.set_source(pb::RECORD_SOURCE_BPF);
    seen.set_pidfs_inode(10'000 + pid);
    seen.set_executable_path("/bin/" + name);
    seen.set_exe_inode(std::hash<std::string>()(name) % 1000);
    for (const std::string& argument : argv) seen.add_command_line(argument);
    return apply(about(KernelEventKind::Exec, pid, ppid, now += kMs), seen);
  }
  EventList exit(std::uint32_t pid, int code) {
    KernelEvent event = about(KernelEventKind::Exit, pid, 1, now += kMs);
    event.exit_code = code;
    return apply(event, {});
  }
  // As a scan reads it.
  static pb::ProcessRecord found(std::uint32_t pid, std::uint32_t ppid, const std::string& name,
                                 const std::vector<std::string>& argv) {
    pb::ProcessRecord record;
    record.set_pid(pid);
    record.set_ppid(ppid);
    record.set_process_uid(uid(pid));
    if (ppid != 0) record.set_parent_uid(uid(ppid));
    record.set_name(name);
    record.set_executable_path("/bin/" + name);
    record.set_exe_inode(7);
    record.set_state("S");
    record.set_start_time_ms(kBootMs + static_cast<std::int64_t>(start_of(pid) / kMs));
    record.set_user_id("1000");
    for (const std::string& argument : argv) record.add_command_line(argument);
    record.set_source(pb::RECORD_SOURCE_SCAN);
    return record;
  }
  void begin() {
    now += kMs;
    live.begin(kBootMs + static_cast<std::int64_t>(now / kMs), scan_events, now);
  }
  bool observe(pb::ProcessRecord record) {
    const bool taken = live.observe(record, scan_events);
    if (taken) snapshot.push_back(record);
    return taken;
  }
  EventList finish() {
    live.finish(scan_events, [this](pb::ProcessRecord& record) { snapshot.push_back(record); });
    return std::exchange(scan_events, {});
  }
  EventList scan(const std::vector<pb::ProcessRecord>& records) {
    snapshot.clear();
    begin();
    for (const pb::ProcessRecord& record : records) observe(record);
    return finish();
  }
  static std::vector<std::string> types(const EventList& events) {
    std::vector<std::string> out;
    for (const pb::ProcessEvent& event : events)
      out.push_back(pb::EventType_Name(event.event_type()).substr(11) + " " + std::to_string(event.process().pid()));
    return out;
  }

  TextPool texts;
  LiveProcesses live{DiffOptions{}, texts};
  std::uint64_t now = 1'000'000 * kMs;
  EventList scan_events;
  std::vector<pb::ProcessRecord> snapshot;
};

TEST_F(LiveEvents, AWholeLife) {
  scan({found(1, 0, "init", {"init"}), found(20, 1, "bash", {"bash", "-l"})});
  const auto started = fork(30, 20);
  ASSERT_THAT(types(started), ElementsAre("START 30"));
  EXPECT_EQ(started[0].process().executable_path(), "/bin/bash") << "until it runs something else it is its parent";
  EXPECT_EQ(started[0].process().command_line(1), "-l");
  EXPECT_EQ(started[0].process().process_uid(), uid(30));
  EXPECT_EQ(started[0].process().parent_uid(), uid(20));
  EXPECT_EQ(started[0].process().pidfs_inode(), 10'030U);
  EXPECT_EQ(started[0].parent_command_line(), "bash -l");
  EXPECT_EQ(started[0].event_time_ms(), kBootMs + static_cast<std::int64_t>(now / kMs));
  EXPECT_EQ(started[0].boot_time_ns(), now);

  const auto executed = exec(30, 20, "ls", {"ls", "/root"});
  ASSERT_THAT(types(executed), ElementsAre("EXEC 30"));
  EXPECT_EQ(executed[0].process().executable_path(), "/bin/ls");
  EXPECT_THAT(executed[0].process().command_line(), ElementsAre("ls", "/root"));
  EXPECT_EQ(executed[0].process().exec_seq(), 1U);
  EXPECT_EQ(executed[0].parent_name(), "bash");

  const auto ended = exit(30, 2);
  ASSERT_THAT(types(ended), ElementsAre("EXIT 30"));
  EXPECT_EQ(ended[0].exit_code(), 2);
  EXPECT_EQ(ended[0].process().executable_path(), "/bin/ls");
  EXPECT_EQ(ended[0].duration_ms(), (now - start_of(30)) / kMs);
  EXPECT_EQ(live.tracked(), 2U);
}

TEST_F(LiveEvents, AncestryOutlivesParents) {
  scan({found(1, 0, "init", {"init"})});
  fork(20, 1);
  exec(20, 1, "sshd", {"sshd"});
  fork(30, 20);
  exec(30, 20, "bash", {"bash"});
  fork(40, 30);
  exit(30, 0);
  exit(20, 0);
  // The kernel names init as the parent now.
  const auto executed = exec(40, 1, "nc", {"nc", "-l"});
  ASSERT_THAT(executed, SizeIs(1));
  const std::string chain = ancestors(executed[0]);
  EXPECT_LT(chain.find("/bin/bash"), chain.find("/bin/sshd"));
  EXPECT_LT(chain.find("/bin/sshd"), chain.find("/bin/init"));
  EXPECT_THAT(chain, HasSubstr("1 init "));
  EXPECT_EQ(executed[0].parent_name(), "init") << "who the parent is now";
}

TEST_F(LiveEvents, ANewNameBeforeTheFirstLookIsSaid) {
  scan({found(1, 0, "init", {"init"})});
  fork(20, 1);
  exec(20, 1, "miner", {"miner"});
  const auto of_image = [](const std::string& name, std::uint64_t inode) {
    pb::ProcessRecord seen = found(20, 1, "miner", {"miner"});
    seen.set_name(name);
    seen.set_exe_inode(inode);
    return seen;
  };
  const std::uint64_t inode = std::hash<std::string>()("miner") % 1000;
  // In the middle of another exec: that will be told.
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), of_image("other", inode + 1)})), IsEmpty());
  exec(20, 1, "miner", {"miner"});
  const auto events = scan({found(1, 0, "init", {"init"}), of_image("[kworker/0:1]", inode)});
  ASSERT_THAT(types(events), ElementsAre("MODIFIED 20", "SUSPICIOUS 20"));
  EXPECT_EQ(events[0].modified_fields(0), "name");
  EXPECT_EQ(events[1].reason(), "name changed without exec");
  EXPECT_EQ(events[1].process().name(), "[kworker/0:1]");
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), of_image("[kworker/0:1]", inode)})), IsEmpty());
}

TEST_F(LiveEvents, SiblingsAreToldAlikeAndEachAsItIs) {
  pb::ProcessRecord shell = found(20, 1, "bash", {"bash", "-l"});
  shell.set_executable_hash("h");
  shell.set_tty("pts/3");
  shell.set_user_id("1000");
  scan({found(1, 0, "init", {"init"}), shell});
  const auto start = [&](std::uint32_t pid, const std::string& user) {
    pb::ProcessRecord seen;
    seen.set_name("bash");
    seen.set_user_id(user);
    seen.set_session_id(pid % 2);
    seen.set_source(pb::RECORD_SOURCE_BPF);
    seen.set_pidfs_inode(10'000 + pid);
    return apply(about(KernelEventKind::Fork, pid, 20, now += kMs), seen).at(0);
  };
  const auto without_its_own = [](pb::ProcessEvent event) {
    event.clear_event_time_ms();
    event.clear_boot_time_ns();
    pb::ProcessRecord& process = *event.mutable_process();
    process.clear_pid();
    process.clear_process_uid();
    process.clear_start_time_ms();
    process.clear_collection_time_ms();
    process.clear_pidfs_inode();
    process.clear_session_id();
    return event.DebugString();
  };
  const pb::ProcessEvent first = start(30, "1000");
  EXPECT_THAT(first.process().command_line(), ElementsAre("bash", "-l"));
  EXPECT_EQ(first.process().executable_path(), "/bin/bash");
  EXPECT_EQ(first.process().tty(), "pts/3");
  EXPECT_FALSE(first.process().has_executable_hash()) << "nobody looked at the file since";
  EXPECT_EQ(first.parent_name(), "bash");
  for (const std::uint32_t pid : {31U, 32U}) {
    const pb::ProcessEvent next = start(pid, "1000");
    EXPECT_EQ(without_its_own(next), without_its_own(first));
    EXPECT_EQ(next.process().pid(), pid);
    EXPECT_EQ(next.process().process_uid(), uid(pid));
    EXPECT_EQ(next.process().session_id(), pid % 2);
    EXPECT_EQ(next.process().pidfs_inode(), 10'000 + pid);
    EXPECT_EQ(next.process().start_time_ms(), first.process().start_time_ms() + (pid - 30) * 100);
    EXPECT_GT(next.event_time_ms(), first.event_time_ms());
  }
  EXPECT_EQ(start(33, "0").process().user_id(), "0");
  EXPECT_EQ(start(34, "1000").process().user_id(), "1000");
  // What it runs from now on, its children do, too.
  exec(20, 1, "zsh", {"zsh"});
  EXPECT_EQ(start(35, "1000").process().executable_path(), "/bin/zsh");
  EXPECT_THAT(start(36, "1000").process().command_line(), ElementsAre("zsh"));
  const auto end = exit(32, 0);
  EXPECT_EQ(end.at(0).process().executable_path(), "/bin/bash");
  EXPECT_THAT(end.at(0).process().command_line(), ElementsAre("bash", "-l"));
  EXPECT_EQ(end.at(0).process().user_id(), "1000");
  EXPECT_EQ(exit(33, 0).at(0).process().user_id(), "0");
}

TEST_F(LiveEvents, AncestorsAreAsTheyWereWhenTheyForked) {
  scan({found(1, 0, "init", {"init"})});
  fork(20, 1);
  exec(20, 1, "dropper", {"dropper"});
  fork(30, 20);
  exec(20, 1, "innocent", {"innocent"});
  const auto executed = exec(30, 20, "payload", {"payload"});
  EXPECT_THAT(ancestors(executed[0]), HasSubstr("dropper"));
  EXPECT_EQ(executed[0].parent_executable_path(), "/bin/dropper");
  // The same program again, asked for something else.
  exec(20, 1, "innocent", {"innocent", "--again"});
  EXPECT_EQ(fork(31, 20)[0].parent_command_line(), "innocent --again");
}

TEST_F(LiveEvents, WhereAProcessLivesOutlivesAnExec) {
  pb::ProcessRecord shell = found(20, 1, "bash", {"bash"});
  shell.set_root("/srv/jail");
  shell.set_tty("pts/3");
  shell.set_cgroup("/user.slice");
  scan({found(1, 0, "init", {"init"}), shell});
  const pb::ProcessRecord became = exec(20, 1, "ls", {"ls"})[0].process();
  EXPECT_EQ(became.root(), "/srv/jail");
  EXPECT_EQ(became.tty(), "pts/3");
  EXPECT_EQ(became.cgroup(), "/user.slice");
}

// Its creator is known already, but not yet who is above that one.
TEST_F(LiveEvents, AForkDuringTheFirstScanHasItsWholeChain) {
  begin();
  observe(found(20, 10, "bash", {"bash"}));
  fork(30, 20);
  exec(20, 10, "bash", {"bash", "-l"});
  observe(found(10, 1, "sshd", {"sshd"}));
  observe(found(1, 0, "init", {"init"}));
  finish();
  fork(40, 30);
  for (const std::uint32_t pid : {30U, 40U, 41U}) {
    if (pid == 41) fork(41, 20);
    const std::string chain = ancestors(exec(pid, pid == 40 ? 30 : 20, "ls", {"ls"})[0]);
    EXPECT_THAT(chain, HasSubstr("/bin/sshd")) << pid;
    EXPECT_THAT(chain, HasSubstr("1 init ")) << pid;
  }
}

TEST_F(LiveEvents, AChainThatNeverEndsStaysBounded) {
  scan({found(1, 0, "init", {"init"})});
  std::uint32_t last = 1;
  std::size_t longest = 0;
  for (std::uint32_t pid = 2; pid < 1'000; ++pid) {
    const auto started = fork(pid, last);
    longest = std::max(longest, started.at(0).ancestry().size());
    if (last != 1) exit(last, 0);
    last = pid;
  }
  EXPECT_LT(longest, 200 * kMaxAncestors);
  EXPECT_THAT(ancestors(fork(1'000, last)[0]), HasSubstr("..."));
}

TEST_F(LiveEvents, AScanDoublesNobodyWhoseStartWasTold) {
  scan({found(1, 0, "init", {"init"})});
  fork(30, 1);
  exec(30, 1, "ls", {"ls"});
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), found(30, 1, "ls", {"ls"})})), IsEmpty());
  EXPECT_EQ(snapshot.size(), 2U);
  EXPECT_EQ(snapshot[1].source(), pb::RECORD_SOURCE_BPF);
  EXPECT_EQ(snapshot[1].pidfs_inode(), 10'030U);
}

TEST_F(LiveEvents, AForkThatIsReadLateIsNoSecondStart) {
  scan({found(1, 0, "init", {"init"})});
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), found(30, 1, "init", {"init"})})), ElementsAre("START 30"));
  EXPECT_EQ(live.counts().missed_starts, 1U);
  EXPECT_THAT(types(fork(30, 1)), IsEmpty());
  EXPECT_EQ(live.counts().missed_starts, 0U);
  EXPECT_EQ(live.counts().forks_known, 1U);
}

TEST_F(LiveEvents, AForkThatIsReadAfterTheFirstScanFoundItIsAStart) {
  begin();
  observe(found(1, 0, "init", {"init"}));
  observe(found(30, 1, "init", {"init"}));
  EXPECT_THAT(types(fork(30, 1)), ElementsAre("START 30"));
  EXPECT_THAT(types(finish()), IsEmpty());
  EXPECT_THAT(types(fork(30, 1)), IsEmpty()) << "but not twice";
  EXPECT_EQ(live.counts().told, 1U);
  EXPECT_EQ(live.counts().forks_known, 1U);
}

TEST_F(LiveEvents, AScanResurrectsNobodyWhoseEndWasTold) {
  scan({found(1, 0, "init", {"init"}), found(30, 1, "ls", {"ls"})});
  snapshot.clear();
  begin();
  observe(found(1, 0, "init", {"init"}));
  const pb::ProcessRecord read_before = found(30, 1, "ls", {"ls"});
  EXPECT_THAT(types(exit(30, 0)), ElementsAre("EXIT 30"));
  EXPECT_FALSE(observe(read_before));
  EXPECT_THAT(types(finish()), IsEmpty());
  EXPECT_EQ(snapshot.size(), 1U);
  EXPECT_EQ(live.tracked(), 1U);
}

TEST_F(LiveEvents, AZombieIsListedButBeginsNothing) {
  scan({found(1, 0, "init", {"init"})});
  fork(30, 1);
  exit(30, 0);
  pb::ProcessRecord zombie = found(31, 1, "old", {});
  zombie.set_state("Z");
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), zombie})), IsEmpty());
  EXPECT_EQ(snapshot.size(), 2U);
}

TEST_F(LiveEvents, WhoBeganDuringAScanIsInTheSnapshotAndDoesNotEnd) {
  scan({found(1, 0, "init", {"init"})});
  snapshot.clear();
  begin();
  observe(found(1, 0, "init", {"init"}));
  fork(30, 1);
  exec(30, 1, "ls", {"ls"});
  EXPECT_THAT(types(finish()), IsEmpty());
  ASSERT_EQ(snapshot.size(), 2U);
  EXPECT_EQ(snapshot[1].executable_path(), "/bin/ls");
  EXPECT_EQ(live.tracked(), 2U);
}

TEST_F(LiveEvents, WhatWasReadBeforeAnExecDoesNotUndoIt) {
  scan({found(1, 0, "init", {"init"}), found(30, 1, "bash", {"bash"})});
  snapshot.clear();
  begin();
  const pb::ProcessRecord stale = found(30, 1, "bash", {"bash"});
  exec(30, 1, "nc", {"nc", "-e"});
  observe(found(1, 0, "init", {"init"}));
  observe(stale);
  EXPECT_THAT(types(finish()), IsEmpty());
  EXPECT_EQ(snapshot[1].executable_path(), "/bin/nc");
  EXPECT_EQ(snapshot[1].state(), "S") << "its metrics are the scan's";
}

TEST_F(LiveEvents, LostStartsAndEndsAreFoundByAScan) {
  scan({found(1, 0, "init", {"init"}), found(30, 1, "a", {"a"})});
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), found(40, 1, "b", {"b"})})),
              ElementsAre("START 40", "EXIT 30"));
  EXPECT_EQ(live.counts().missed_starts, 1U);
  EXPECT_EQ(live.counts().missed_exits, 1U);
}

TEST_F(LiveEvents, ALostExitIsNoticedWhenThePidHasANewOwner) {
  scan({found(1, 0, "init", {"init"})});
  fork(30, 1);
  KernelEvent again = about(KernelEventKind::Fork, 30, 1, now += kMs);
  again.start_ns += 5'000 * kMs;
  EXPECT_THAT(types(apply(again, {})), ElementsAre("EXIT 30", "START 30"));
  EXPECT_EQ(live.counts().missed_exits, 1U);
}

TEST_F(LiveEvents, ALostExecIsFoundByTheSecondScanThatSeesIt) {
  scan({found(1, 0, "init", {"init"}), found(30, 1, "bash", {"bash"})});
  pb::ProcessRecord now_nc = found(30, 1, "nc", {"nc"});
  now_nc.set_exec_seq(1);
  // It may be in the middle of it: then it will be told in a moment.
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), now_nc})), IsEmpty());
  EXPECT_EQ(live.counts().missed_execs, 0U);
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), now_nc})), ElementsAre("EXEC 30"));
  EXPECT_EQ(live.counts().missed_execs, 1U);
  EXPECT_EQ(snapshot[1].exec_seq(), 1U);
}

TEST_F(LiveEvents, AToldExecIsNoLostOne) {
  scan({found(1, 0, "init", {"init"}), found(30, 1, "bash", {"bash"})});
  exec(30, 1, "nc", {"nc"});
  pb::ProcessRecord now_nc = found(30, 1, "nc", {"nc"});
  now_nc.set_exec_seq(1);
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), now_nc})), IsEmpty());
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), now_nc})), IsEmpty());
  EXPECT_EQ(live.counts().missed_execs, 0U);
}

TEST_F(LiveEvents, ACommandLineThatWasRewrittenIsAClaimBesideTheEvidence) {
  scan({found(1, 0, "init", {"init"})});
  fork(30, 1);
  exec(30, 1, "miner", {"miner", "--pool", ""});
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), found(30, 1, "miner", {"miner", "--pool"})})), IsEmpty())
      << "/proc does not show empty arguments at the end";
  const auto events = scan({found(1, 0, "init", {"init"}), found(30, 1, "miner", {"[kworker/0:1]"})});
  ASSERT_THAT(types(events), ElementsAre("MODIFIED 30", "SUSPICIOUS 30"));
  EXPECT_THAT(events[0].modified_fields(), ElementsAre("command_line_now"));
  EXPECT_EQ(events[1].reason(), "command line rewritten");
  EXPECT_THAT(snapshot[1].command_line(), ElementsAre("miner", "--pool", ""));
  EXPECT_EQ(snapshot[1].command_line_now(), "[kworker/0:1]");
}

// The same, rewritten before the first scan after the exec.
TEST_F(LiveEvents, AClaimIsNoticedAtFirstSight) {
  scan({found(1, 0, "init", {"init"})});
  fork(30, 1);
  exec(30, 1, "miner", {"miner"});
  EXPECT_THAT(types(scan({found(1, 0, "init", {"init"}), found(30, 1, "miner", {"/usr/sbin/sshd"})})),
              ElementsAre("MODIFIED 30", "SUSPICIOUS 30"));
}

TEST_F(LiveEvents, MemoryIsThatOfWhoIsAlive) {
  scan({found(1, 0, "init", {"init"})});
  const std::size_t texts_before = texts.size();
  for (std::uint32_t pid = 2; pid < 20'000; ++pid) {
    fork(pid, 1);
    exec(pid, 1, "p" + std::to_string(pid), {"p", std::to_string(pid)});
    exit(pid, 0);
  }
  EXPECT_EQ(live.tracked(), 1U);
  EXPECT_LE(texts.size(), texts_before + 3);
}

}  // namespace
}  // namespace de::collect
