// Many lives of which some end unnoticed, because the event of their end was lost: the model holds a dead process until
// the next scan, or until its pid has a new owner, and no longer.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "collect/identity.h"
#include "collect/live_processes.h"
#include "read_back.h"

namespace de::collect {
namespace {

constexpr const char* kChurnBoot = "6a1f0d3e-8c57-5b42-9e10-4d61656d6f6e";
constexpr std::int64_t kChurnBootMs = 1'700'000'000'000;
constexpr std::uint64_t kChurnMs = 1'000'000;

class LiveChurn : public testing::Test {
 protected:
  LiveChurn() {
    live.set_boot({kChurnBoot, kChurnBootMs});
    live.set_fed(true);
    alive.emplace(1, kChurnMs);
    scan();
  }
  std::int64_t now_ms() const { return kChurnBootMs + static_cast<std::int64_t>(now / kChurnMs); }
  static pb::ProcessRecord record_of(std::uint32_t pid) {
    pb::ProcessRecord record;
    record.set_pid(pid);
    record.set_name("p" + std::to_string(pid));
    record.set_executable_path("/bin/p" + std::to_string(pid));
    record.add_command_line(std::to_string(pid));
    return record;
  }
  void tell(KernelEventKind kind, std::uint32_t pid) {
    now += kChurnMs;
    if (kind == KernelEventKind::Fork) alive[pid] = now;
    KernelEvent event;
    event.kind = kind;
    event.pid = pid;
    event.start_ns = alive.at(pid);
    event.time_ns = now;
    event.ppid = 1;
    event.parent_start_ns = kChurnMs;
    pb::ProcessRecord seen = record_of(pid);
    event.seen = &seen;
    live.identify(event);
    ToldEvents told;
    live.apply(event, told);
    events = read_back(told);
    count();
  }
  void scan() {
    now += kChurnMs;
    live.begin(now_ms(), events, now);
    for (const auto& [pid, start_ns] : alive) {
      pb::ProcessRecord record = record_of(pid);
      record.set_ppid(pid == 1 ? 0 : 1);
      record.set_process_uid(process_uid(kChurnBoot, pid, start_ns));
      record.set_state("S");
      live.observe(record, events);
    }
    live.finish(events);
    count();
  }
  void count() {
    for (const pb::ProcessEvent& event : events) {
      if (event.event_type() == pb::EVENT_TYPE_START) ++starts[event.process().process_uid()];
      if (event.event_type() == pb::EVENT_TYPE_EXIT) ++exits[event.process().process_uid()];
    }
    events.Clear();
  }

  TextPool texts;
  LiveProcesses live{DiffOptions{}, texts};
  EventList events;
  std::map<std::uint32_t, std::uint64_t> alive;  // pid, start.
  std::map<std::string, int> starts, exits;      // By process_uid.
  std::uint64_t now = 1'000'000 * kChurnMs;
};

TEST_F(LiveChurn, TheDeadWhoseEndWasLostAreKeptNoLongerThanToTheNextScan) {
  constexpr int kLives = 20'000, kLost = 10, kScan = 1'000;
  const std::size_t texts_before = texts.size();
  std::uint64_t lost = 0;
  for (int i = 1; i <= kLives; ++i) {
    const std::uint32_t pid = 2 + static_cast<std::uint32_t>(i) % 4'000;
    tell(KernelEventKind::Fork, pid);
    tell(KernelEventKind::Exec, pid);
    if (i % kLost == 0) {
      ++lost;
    } else {
      tell(KernelEventKind::Exit, pid);
    }
    alive.erase(pid);
    ASSERT_LE(live.tracked(), 1U + kScan / kLost) << i;
    if (i % kScan != 0) continue;
    scan();
    ASSERT_EQ(live.tracked(), 1U) << "after " << i << " lives";
    ASSERT_LE(texts.size(), texts_before + 3);
  }
  EXPECT_EQ(live.counts().missed_exits, lost);
  // Each of them began once and ended once, whoever noticed.
  EXPECT_EQ(starts.size(), static_cast<std::size_t>(kLives));
  EXPECT_EQ(exits.size(), static_cast<std::size_t>(kLives));
  for (const auto& [uid, times] : exits) ASSERT_EQ(times, 1);
}

// Without any scan: as many dead as there are pids.
TEST_F(LiveChurn, AndNoLongerThanTheirPidIsFree) {
  constexpr std::uint32_t kPids = 50;
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    tell(KernelEventKind::Fork, 2 + i % kPids);
    tell(KernelEventKind::Exec, 2 + i % kPids);
    ASSERT_LE(live.tracked(), 1 + kPids);
  }
  EXPECT_EQ(exits.size(), 5'000U - kPids);
  EXPECT_EQ(live.counts().missed_exits, 5'000U - kPids);
}

}  // namespace
}  // namespace de::collect
