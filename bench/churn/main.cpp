// bench_churn [LIVES] [--lost-exits N]: what procmond's model of live processes weighs after millions of short lives of
// which every N-th (10 without) ends unnoticed, because the event of its end was lost. Those are found by the next
// scan, or by a new owner of their pid. Prints a row every tenth of the lives; exits with 1 when the memory grows, or
// when a scan leaves somebody in the model who is dead.
//
// The events are made up, so that losing one takes no code in procmond.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collect/identity.h"
#include "collect/live_processes.h"

namespace {

using namespace de::collect;
namespace pb = de::pb;

constexpr const char* kBoot = "6a1f0d3e-8c57-5b42-9e10-4d61656d6f6e";
constexpr std::int64_t kBootMs = 1'700'000'000'000;
constexpr std::uint64_t kBetweenNs = 2'000'000;  // 500 lives a second.
constexpr std::uint64_t kLivesPerScan = 15'000;  // A scan every 30 s.
constexpr std::uint32_t kStay = 200;             // Daemons and shells that start the others.
constexpr std::uint32_t kMostPids = 32'768;
constexpr std::size_t kAliveAtOnce = 64;
constexpr double kGrowthMb = 4;  // Of the allocator, once it has seen everything once.

double resident_mb() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

struct Process {
  std::uint32_t pid = 0;
  std::uint32_t ppid = 0;
  std::uint64_t start_ns = 0;
  std::uint64_t parent_start_ns = 0;
  std::uint32_t program = 0;
  std::uint64_t number = 0;
};

// Who is alive on a host that does not exist, and what its kernel says; some ends it does not.
class Host {
 public:
  explicit Host(std::uint64_t lost_exits) : lost_exits_(lost_exits) {
    live_.set_boot({kBoot, kBootMs});
    live_.set_fed(true);
    for (std::uint32_t pid = 1; pid <= kStay; ++pid) {
      const bool is_init = pid == 1;
      stay_.push_back({pid, is_init ? 0U : 1U, pid * kBetweenNs, is_init ? 0 : kBetweenNs, pid, pid});
    }
    scan();
  }

  // One more begins, and once there are enough of them one ends.
  void live_once() {
    now_ns_ += kBetweenNs;
    // Some are started by a short-lived one, which then ends before them.
    const Process& parent =
        !alive_.empty() && random_() % 4 == 0 ? alive_[random_() % alive_.size()] : stay_[random_() % stay_.size()];
    const Process child{free_pid(), parent.pid, now_ns_, parent.start_ns, static_cast<std::uint32_t>(random_() % 300),
                        ++lives_};
    tell(KernelEventKind::Fork, child);
    tell(KernelEventKind::Exec, child);
    alive_.push_back(child);
    if (alive_.size() < kAliveAtOnce) return;
    std::swap(alive_[random_() % alive_.size()], alive_.back());
    if (lives_ % lost_exits_ == 0) {
      ++unnoticed_;
    } else {
      tell(KernelEventKind::Exit, alive_.back());
    }
    is_taken_[alive_.back().pid] = false;
    alive_.pop_back();
  }

  // False: the model holds somebody who is not there.
  bool scan() {
    now_ns_ += kBetweenNs;
    live_.begin(to_ms(now_ns_), events_, now_ns_);
    for (const auto* list : {&stay_, &alive_})
      for (const Process& one : *list) {
        pb::ProcessRecord record = record_of(one);
        record.set_process_uid(process_uid(kBoot, one.pid, one.start_ns));
        if (one.ppid != 0) record.set_parent_uid(process_uid(kBoot, one.ppid, one.parent_start_ns));
        record.set_start_time_ms(to_ms(one.start_ns));
        record.set_state("S");
        record.set_source(pb::RECORD_SOURCE_SCAN);
        live_.observe(record, events_);
      }
    live_.finish(events_);
    events_.Clear();
    return live_.tracked() == stay_.size() + alive_.size();
  }

  std::size_t tracked() const { return live_.tracked(); }
  std::size_t texts() const { return texts_.size(); }
  std::uint64_t unnoticed() const { return unnoticed_; }
  std::uint64_t found() const { return live_.counts().missed_exits; }

 private:
  static std::int64_t to_ms(std::uint64_t ns) { return kBootMs + static_cast<std::int64_t>(ns / 1'000'000); }
  std::uint32_t free_pid() {
    do next_pid_ = next_pid_ + 1 < kMostPids ? next_pid_ + 1 : kStay + 1;
    while (is_taken_[next_pid_]);
    is_taken_[next_pid_] = true;
    return next_pid_;
  }
  static pb::ProcessRecord record_of(const Process& one) {
    pb::ProcessRecord record;
    const std::string name = "program" + std::to_string(one.program);
    record.set_pid(one.pid);
    record.set_ppid(one.ppid);
    record.set_name(name);
    record.set_executable_path("/usr/bin/" + name);
    record.set_exe_inode(1000 + one.program);
    record.set_user_id("1000");
    record.add_command_line(name);
    record.add_command_line("--number=" + std::to_string(one.number));
    record.set_accessible(true);
    return record;
  }
  void tell(KernelEventKind kind, const Process& one) {
    pb::ProcessRecord seen = record_of(one);
    if (kind != KernelEventKind::Exec) seen.clear_command_line();
    seen.set_source(pb::RECORD_SOURCE_BPF);
    KernelEvent event;
    event.kind = kind;
    event.pid = one.pid;
    event.start_ns = one.start_ns;
    event.time_ns = now_ns_;
    event.ppid = one.ppid;
    event.parent_start_ns = one.parent_start_ns;
    if (kind == KernelEventKind::Exit) event.exit_code = 0;
    event.seen = &seen;
    live_.identify(event);
    live_.apply(event, told_);
    told_.clear();
  }

  const std::uint64_t lost_exits_;
  TextPool texts_;
  LiveProcesses live_{DiffOptions{}, texts_};
  EventList events_;
  ToldEvents told_;
  std::mt19937_64 random_{4242};  // The same every time.
  std::vector<Process> stay_, alive_;
  std::vector<bool> is_taken_ = std::vector<bool>(kMostPids, false);
  std::uint32_t next_pid_ = kStay;
  std::uint64_t now_ns_ = 3'600'000'000'000;
  std::uint64_t lives_ = 0;
  std::uint64_t unnoticed_ = 0;
};

int run(std::uint64_t lives, std::uint64_t lost_exits) {
  Host host(lost_exits);
  std::printf("%12s %8s %8s %8s %12s %12s\n", "lives", "RSS-MB", "model", "texts", "ends-lost", "found-later");
  double early_mb = 0;
  for (std::uint64_t i = 1; i <= lives; ++i) {
    host.live_once();
    if (i % kLivesPerScan == 0 && !host.scan()) {
      std::printf("after %llu lives a scan left the dead in the model\n", static_cast<unsigned long long>(i));
      return 1;
    }
    if (i % (lives / 10) != 0) continue;
    std::printf("%12llu %8.1f %8zu %8zu %12llu %12llu\n", static_cast<unsigned long long>(i), resident_mb(),
                host.tracked(), host.texts(), static_cast<unsigned long long>(host.unnoticed()),
                static_cast<unsigned long long>(host.found()));
    if (early_mb == 0) early_mb = resident_mb();
  }
  const double growth = resident_mb() - early_mb;
  std::printf("growth since the first tenth: %.1f MB (at most %.0f)\n", growth, kGrowthMb);
  return growth <= kGrowthMb ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t lives = 300'000, lost_exits = 10;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--lost-exits" && i + 1 < argc) {
      lost_exits = std::strtoull(argv[++i], nullptr, 10);
    } else {
      lives = std::strtoull(argv[i], nullptr, 10);
    }
  }
  if (lives < 10 || lost_exits == 0) {
    std::fprintf(stderr, "usage: bench_churn [LIVES] [--lost-exits N]\n");
    return 2;
  }
  return run(lives, lost_exits);
}
