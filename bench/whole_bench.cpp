// Both daemons as they are started in production, on a private state directory, beside real processes: memory, CPU on
// an idle host, and how soon answers are complete again after a kill.
#include <benchmark/benchmark.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "crowd.h"
#include "daemons.h"
#include "samples.h"

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using de::bench::Crowd;
using de::bench::median;
using de::bench::quantile;
using de::system_test::eventually;
using de::system_test::Host;

constexpr int kRestarts = 5;

class Product {
 public:
  explicit Product(std::uint32_t scan_interval_ms) : interval_("scan_interval_ms=" + std::to_string(scan_interval_ms)) {
    for (const auto& entry : fs::directory_iterator(DE_SOURCE_DIR "/packaging/rules")) {
      const std::string copy = host.dir() + "/rules.d/" + entry.path().filename().string();
      fs::copy_file(entry.path(), copy);
      fs::permissions(copy, fs::perms(0644));
    }
  }
  bool start() {
    start_agent();
    host.start_procmond();
    return host.is_steady();
  }
  void start_agent() { host.start_agent({"--set", interval_}); }

  double cpu_ms() const { return agent_cpu_ms() + procmond_cpu_ms(); }
  double agent_cpu_ms() const { return ms(de::bench::cpu_time(host.agent.pid())); }
  double procmond_cpu_ms() const { return ms(de::bench::cpu_time(host.procmond.pid())); }

  Host host;

 private:
  static double ms(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }
  const std::string interval_;
};

struct MemorySamples {
  std::vector<double> private_mb;
  std::vector<double> buffers_mb;
  std::vector<double> rss_mb;

  void add(de::bench::Memory now) {
    private_mb.push_back(now.private_mb);
    buffers_mb.push_back(now.buffers_mb);
    rss_mb.push_back(now.resident_mb);
  }
  void report(benchmark::State& state, const std::string& who) const {
    state.counters[who + "_private_mb"] = median(private_mb);
    state.counters[who + "_buffers_mb"] = median(buffers_mb);
    state.counters[who + "_rss_mb"] = median(rss_mb);
    state.counters[who + "_private_most_mb"] = quantile(private_mb, 1);
    state.counters[who + "_rss_most_mb"] = quantile(rss_mb, 1);
  }
};

// Memory is sampled all the time over several scans: its median is what the daemons hold, the most what a snapshot on
// its way adds to that. CPU is per scan.
void whole_crowded_host(benchmark::State& state) {
  constexpr auto kInterval = 8s;
  constexpr int kScans = 5;
  const auto processes = static_cast<std::uint32_t>(state.range(0));
  const Crowd crowd(processes - de::bench::live_processes());
  Product product(8'000);
  if (!crowd.started() || !product.start()) return state.SkipWithError("the host does not start");
  std::this_thread::sleep_for(2 * kInterval);  // The first scan, and hashing.
  MemorySamples agent;
  MemorySamples procmond;
  const double agent_before = product.agent_cpu_ms();
  const double procmond_before = product.procmond_cpu_ms();
  for (auto _ : state) {
    const auto end = std::chrono::steady_clock::now() + kScans * kInterval;
    while (std::chrono::steady_clock::now() < end) {
      agent.add(de::bench::memory_of(product.host.agent.pid()));
      procmond.add(de::bench::memory_of(product.host.procmond.pid()));
      std::this_thread::sleep_for(50ms);
    }
  }
  agent.report(state, "agent");
  procmond.report(state, "procmond");
  state.counters["agent_cpu_ms"] = (product.agent_cpu_ms() - agent_before) / kScans;
  state.counters["procmond_cpu_ms"] = (product.procmond_cpu_ms() - procmond_before) / kScans;
}
BENCHMARK(whole_crowded_host)->Arg(10'000)->Iterations(1)->Unit(benchmark::kMillisecond);

// Three intervals of a host on which nothing happens, with the shipped rules.
void whole_idle_host(benchmark::State& state) {
  constexpr auto kInterval = 30s;
  constexpr int kIntervals = 3;
  const auto processes = static_cast<std::uint32_t>(state.range(0));
  const std::uint32_t others = de::bench::live_processes();
  const Crowd crowd(processes > others ? processes - others : 1);
  Product product(30'000);
  if (!crowd.started() || !product.start()) return state.SkipWithError("the host does not start");
  std::this_thread::sleep_for(5s);  // Start-up is not idling.
  std::vector<double> percent;
  for (auto _ : state) {
    for (int i = 0; i < kIntervals; ++i) {
      const double before = product.cpu_ms();
      std::this_thread::sleep_for(kInterval);
      percent.push_back((product.cpu_ms() - before) / std::chrono::milliseconds(kInterval).count() * 100);
    }
  }
  state.counters["percent_of_core"] = median(percent);
}
BENCHMARK(whole_idle_host)->Arg(300)->Iterations(1)->Unit(benchmark::kMillisecond);

// From starting the agent that was killed to its first complete answer: store open, collector back, a whole snapshot.
void whole_restart(benchmark::State& state) {
  const auto processes = static_cast<std::uint32_t>(state.range(0));
  const std::uint32_t others = de::bench::live_processes();
  const Crowd crowd(processes > others ? processes - others : 1);
  Product product(30'000);
  if (!crowd.started() || !product.start()) return state.SkipWithError("the host does not start");
  std::vector<double> agent_ms;
  std::vector<double> procmond_ms;
  for (auto _ : state) {
    for (int i = 0; i < kRestarts; ++i) {
      product.host.agent.signal(SIGKILL);
      product.host.agent.wait(5s);
      double begin = de::bench::wall_ms();
      product.start_agent();
      if (!product.host.is_steady()) return state.SkipWithError("the agent does not come back");
      agent_ms.push_back(de::bench::wall_ms() - begin);
      product.host.procmond.signal(SIGKILL);
      product.host.procmond.wait(5s);
      begin = de::bench::wall_ms();
      product.host.start_procmond();
      if (!product.host.is_steady()) return state.SkipWithError("procmond does not come back");
      procmond_ms.push_back(de::bench::wall_ms() - begin);
    }
  }
  state.counters["agent_ms"] = median(agent_ms);
  state.counters["procmond_ms"] = median(procmond_ms);
}
BENCHMARK(whole_restart)->Arg(300)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
