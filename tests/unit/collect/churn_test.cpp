// Snapshots while processes come and go: nobody is missing, nobody is there twice, and nobody is back from the dead.
// DE_EVENTS_SNAPSHOTS: how many.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <thread>

#include "fed_collector.h"
#include "live_process.h"

namespace de::collect {
namespace {

using test::Child;

// Forks, runs a program in every other one, and buries: on and on.
class Churn {
 public:
  Churn() : thread_([this] { run(); }) {}
  ~Churn() {
    stopping_ = true;
    thread_.join();
  }
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;

  std::set<std::uint32_t> buried() const {
    const std::lock_guard lock(mutex_);
    return buried_;
  }

 private:
  static pid_t start(bool executes) {
    const pid_t pid = ::vfork();
    if (pid == 0) {
      if (executes) ::execl("/bin/true", "true", nullptr);
      ::_exit(0);
    }
    return pid;
  }
  void run() {
    bool executes = false;
    while (!stopping_) {
      executes = !executes;
      const pid_t pid = start(executes);
      {
        const std::lock_guard lock(mutex_);
        buried_.erase(static_cast<std::uint32_t>(pid));  // Numbers come back.
      }
      ::waitpid(pid, nullptr, 0);
      const std::lock_guard lock(mutex_);
      buried_.insert(static_cast<std::uint32_t>(pid));
    }
  }
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::set<std::uint32_t> buried_;
  std::thread thread_;
};

class Snapshots : public test::FedCollector {};

TEST_F(Snapshots, UnderChurnMissDoubleAndResurrectNobody) {
  CollectorOptions options;
  options.hash.enabled = false;
  open(options);
  if (!collector_) return;

  std::vector<std::unique_ptr<Child>> steady;
  for (int i = 0; i < 20; ++i) steady.push_back(std::make_unique<Child>([] {}));
  const Churn churn;
  const char* wanted = std::getenv("DE_EVENTS_SNAPSHOTS");
  const int snapshots = wanted != nullptr ? std::atoi(wanted) : 400;
  EventList events;
  for (int i = 0; i < snapshots; ++i) {
    const std::set<std::uint32_t> buried = churn.buried();
    std::multiset<std::uint32_t> pids;
    std::set<std::string> uids;
    std::size_t named = 0;
    const auto summary = collector_->scan(
        [&](pb::ProcessRecord& record) {
          pids.insert(record.pid());
          if (record.process_uid().empty()) return;
          ++named;
          uids.insert(record.process_uid());
        },
        events);
    ASSERT_TRUE(summary) << summary.error().message();
    EXPECT_EQ(uids.size(), named) << "somebody is there twice, snapshot " << i;
    EXPECT_EQ(summary->reported(), pids.size());
    EXPECT_EQ(summary->seen(), summary->reported() + summary->vanished());
    for (const auto& child : steady) ASSERT_EQ(pids.count(child->pid()), 1u) << "snapshot " << i;
    for (const std::uint32_t pid : pids) ASSERT_FALSE(buried.contains(pid)) << pid << " is dead, snapshot " << i;
    ASSERT_TRUE(collector_->collect_events());
    events.Clear();
  }
  EXPECT_GT(churn.buried().size(), static_cast<std::size_t>(snapshots)) << "nothing happened meanwhile";
  const Counts counts = collector_->counts();
  EXPECT_EQ(counts.source.name, "bpf");
  if (counts.feed.dropped == 0) {
    EXPECT_EQ(counts.model.missed_starts, 0u);
    EXPECT_EQ(counts.model.missed_exits, 0u);
    EXPECT_EQ(counts.model.missed_execs, 0u);
  }
}

}  // namespace
}  // namespace de::collect
