// How what the kernel tells gets to the io thread: when it is fetched, with what, and that nothing is left behind.
#include "daemon/event_pump.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/unique_fd.h"

namespace de::daemon {
namespace {

using namespace std::chrono_literals;
using collect::Collected;
using collect::KernelEvent;
using collect::KernelEventKind;

constexpr std::uint32_t kFirstPid = 3'000'000;  // None that this machine has.

// The kernel's side, which says what it is told to say.
class Script {
 public:
  void tell(KernelEventKind kind, std::uint32_t pid) {
    const std::lock_guard lock(mutex_);
    KernelEvent event;
    event.kind = kind;
    event.pid = pid;
    event.start_ns = event.time_ns = pid;
    event.ppid = 1;
    events_.push_back(event);
    const std::uint64_t one = 1;
    if (is_asleep_) (void)!::write(wake_.get(), &one, sizeof one);
    is_asleep_ = false;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
  }
  int drains() const {
    const std::lock_guard lock(mutex_);
    return drains_;
  }

 private:
  friend class ScriptedFeed;
  mutable std::mutex mutex_;
  UniqueFd wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::deque<KernelEvent> events_;
  int drains_ = 0;
  bool is_asleep_ = false;
  bool has_ended_ = false;
};

class ScriptedFeed final : public collect::EventFeed {
 public:
  explicit ScriptedFeed(Script& script) : script_(script) {}
  std::string name() const override { return "bpf"; }
  int wake_fd() const override { return script_.wake_.get(); }
  void fall_asleep() override {
    const std::lock_guard lock(script_.mutex_);
    script_.is_asleep_ = true;
  }
  Result<> drain(const collect::KernelEventFn& fn) override {
    const std::lock_guard lock(script_.mutex_);
    std::uint64_t rung = 0;
    (void)!::read(script_.wake_.get(), &rung, sizeof rung);
    ++script_.drains_;
    for (KernelEvent& event : std::exchange(script_.events_, {})) {
      pb::ProcessRecord seen;
      seen.set_pid(event.pid);
      seen.set_name("scripted");
      event.seen = &seen;
      fn(event);
      ++(event.kind == KernelEventKind::Fork   ? counts_.forks
         : event.kind == KernelEventKind::Exec ? counts_.execs
                                               : counts_.exits);
    }
    if (script_.has_ended_) return fail(Errc::Closed, "taken away");
    return {};
  }
  collect::FeedCounts counts() const override {
    collect::FeedCounts counts = counts_;
    counts.happened = counts.forks + counts.execs + counts.exits;
    return counts;
  }

 private:
  Script& script_;
  collect::FeedCounts counts_;
};

class EventPumpTest : public testing::Test {
 protected:
  void start(std::uint32_t latency_ms, std::size_t waiting_bytes = 32UL << 20) {
    collect::CollectorOptions options;
    options.hash.enabled = false;
    auto collector =
        collect::Collector::create(options, system_clock(), std::make_unique<ScriptedFeed>(script_), nullptr);
    ASSERT_TRUE(collector) << collector.error().message();
    collector_ = std::move(*collector);
    EventPump::Hooks hooks;
    hooks.hand_on = [this](Collected collected) { handed_.push_back(std::move(collected)); };
    hooks.on_end = [this](std::string reason) {
      ended_ = std::move(reason);
      handed_at_end_ = events();
      pump_.reset();
    };
    auto pump = EventPump::start(io_.get_executor(), *collector_, {latency_ms, waiting_bytes}, std::move(hooks));
    ASSERT_TRUE(pump) << pump.error().message();
    pump_ = std::move(*pump);
  }
  std::size_t events() const {
    std::size_t sum = 0;
    for (const Collected& one : handed_) sum += one.events.size();
    return sum;
  }
  // Runs io until `is_done` or for a long time.
  bool run_until(const std::function<bool()>& is_done, std::chrono::milliseconds limit = 10s) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!is_done() && std::chrono::steady_clock::now() < until) {
      io_.run_for(5ms);
      io_.restart();
    }
    return is_done();
  }
  void let_it_fall_asleep() { std::this_thread::sleep_for(50ms); }

  Script script_;
  boost::asio::io_context io_;
  std::unique_ptr<collect::Collector> collector_;
  std::vector<Collected> handed_;
  std::string ended_;
  std::size_t handed_at_end_ = 0;
  std::unique_ptr<EventPump> pump_;
};

TEST_F(EventPumpTest, WhatAFirstProcessDoesAtOnceComesTogether) {
  start(/*latency_ms=*/1'000);
  let_it_fall_asleep();
  script_.tell(KernelEventKind::Fork, kFirstPid);
  script_.tell(KernelEventKind::Exec, kFirstPid);
  std::this_thread::sleep_for(100ms);
  script_.tell(KernelEventKind::Exit, kFirstPid);
  ASSERT_TRUE(run_until([this] { return events() > 0; }));
  EXPECT_EQ(events(), 3u);
  EXPECT_EQ(handed_.size(), 1u);
}

TEST_F(EventPumpTest, AForkByItselfWaitsForWhatComesNextButNotForever) {
  start(/*latency_ms=*/200);
  let_it_fall_asleep();
  script_.tell(KernelEventKind::Fork, kFirstPid);
  EXPECT_FALSE(run_until([this] { return events() > 0; }, 150ms)) << "nothing hurries";
  ASSERT_TRUE(run_until([this] { return events() > 0; }));
  EXPECT_EQ(events(), 1u);
}

TEST(HeldEvents, AreCountedAndHandedOnWithWhatIsUrgent) {
  Script script;
  collect::CollectorOptions options;
  options.hash.enabled = false;
  auto made = collect::Collector::create(options, system_clock(), std::make_unique<ScriptedFeed>(script), nullptr);
  ASSERT_TRUE(made);
  collect::Collector& collector = **made;
  script.tell(KernelEventKind::Fork, kFirstPid);
  script.tell(KernelEventKind::Fork, kFirstPid + 1);
  auto collected = collector.collect_events(false);
  ASSERT_TRUE(collected);
  EXPECT_EQ(collected->events.size(), 0u);
  EXPECT_EQ(collected->held, 2u);
  script.tell(KernelEventKind::Exec, kFirstPid);
  collected = collector.collect_events(false);
  ASSERT_TRUE(collected);
  EXPECT_EQ(collected->events.size(), 3u);
  EXPECT_EQ(collected->held, 0u);
  script.tell(KernelEventKind::Exit, kFirstPid);
  EXPECT_EQ(collector.collect_events(false)->events.size(), 0u);
  EXPECT_EQ(collector.collect_events(true)->events.size(), 1u);
}

TEST_F(EventPumpTest, UnderLoadItLooksInRoundsInsteadOfBeingWoken) {
  start(/*latency_ms=*/20);
  let_it_fall_asleep();
  const int before = script_.drains();
  const auto began = std::chrono::steady_clock::now();
  std::uint32_t told = 0;
  for (; std::chrono::steady_clock::now() - began < 1s; ++told) {
    script_.tell(KernelEventKind::Exec, kFirstPid + told);
    std::this_thread::sleep_for(1ms);
  }
  const int rounds = script_.drains() - before;
  ASSERT_TRUE(run_until([&] { return events() == told; }));
  EXPECT_LT(rounds, 80) << told << " events in a second, in rounds of 20 ms";
  EXPECT_GT(rounds, 2);
}

TEST_F(EventPumpTest, WhatNobodyTakesStaysWithTheKernel) {
  start(/*latency_ms=*/5, /*waiting_bytes=*/1);
  let_it_fall_asleep();
  script_.tell(KernelEventKind::Exec, kFirstPid);
  ASSERT_TRUE(run_until([this] { return events() == 1; }));
  EXPECT_GE(pump_->fill(), 1.0);
  script_.tell(KernelEventKind::Exec, kFirstPid + 1);
  EXPECT_FALSE(run_until([this] { return events() > 1; }, 200ms));
  pump_->taken(handed_[0].events.bytes.size());
  EXPECT_EQ(pump_->fill(), 0.0);
  EXPECT_TRUE(run_until([this] { return events() == 2; }));
}

TEST_F(EventPumpTest, TheEndOfAFeedComesAfterEverythingItTold) {
  start(/*latency_ms=*/5);
  let_it_fall_asleep();
  for (std::uint32_t i = 0; i < 100; ++i) script_.tell(KernelEventKind::Exec, kFirstPid + i);
  std::this_thread::sleep_for(100ms);
  script_.end();
  std::this_thread::sleep_for(100ms);  // Both wait for io now.
  ASSERT_TRUE(run_until([this] { return !ended_.empty(); }));
  EXPECT_NE(ended_.find("taken away"), std::string::npos) << ended_;
  EXPECT_EQ(handed_at_end_, 100u);
  EXPECT_EQ(pump_, nullptr);
}

TEST_F(EventPumpTest, StoppingHandsOnWhatWasFetchedAndLeavesIoNothingToWaitFor) {
  start(/*latency_ms=*/5);
  let_it_fall_asleep();
  script_.tell(KernelEventKind::Exec, kFirstPid);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(events(), 0u) << "io does not run";
  pump_->stop();
  EXPECT_EQ(events(), 1u);
  io_.run();  // Returns.
  EXPECT_EQ(events(), 1u);
}

}  // namespace
}  // namespace de::daemon
