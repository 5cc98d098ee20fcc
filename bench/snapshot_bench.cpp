// What procmond's snapshot of 10,000 real processes costs, every column included: the first one, and those after it,
// for which the columns that cannot change are known.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "collect/collector.h"
#include "crowd.h"
#include "made_up.h"
#include "samples.h"

namespace {

using de::bench::thread_cpu_ms;

constexpr int kFirstScans = 5;
constexpr int kSteadyScans = 16;  // Twice the turn in which everything is read again.

// -1 when the scan failed or missed processes.
double scan_cpu_ms(de::collect::Collector& collector, std::uint32_t at_least) {
  de::collect::EventList events;
  const double begin = thread_cpu_ms();
  const auto summary = collector.scan([](de::pb::ProcessRecord&) {}, events);
  const double used = thread_cpu_ms() - begin;
  return summary && summary->reported() >= at_least ? used : -1;
}

void whole_snapshot(benchmark::State& state) {
  const auto processes = static_cast<std::uint32_t>(state.range(0));
  const std::uint32_t others = de::bench::live_processes();
  const de::bench::Crowd crowd(processes > others ? processes - others : 0);
  if (!crowd.started()) return state.SkipWithError("the processes do not start");
  const de::bench::ScratchDir dir;
  std::vector<double> first;
  std::vector<double> steady;
  for (auto _ : state) {
    for (int i = 0; i < kFirstScans; ++i) {
      de::collect::CollectorOptions options;
      options.source.mask_arguments = true;
      options.hash.state_dir = dir.path();
      auto collector = de::collect::Collector::create(options, de::system_clock());
      if (!collector) return state.SkipWithError("no collector");
      first.push_back(scan_cpu_ms(**collector, processes * 9 / 10));
      if (first.back() < 0) return state.SkipWithError("the first scan failed");
      if (i + 1 < kFirstScans) continue;
      for (int n = 0; n < kSteadyScans; ++n) steady.push_back(scan_cpu_ms(**collector, processes * 9 / 10));
    }
  }
  state.counters["first_cpu_ms"] = de::bench::median(first);
  state.counters["steady_cpu_ms"] = de::bench::median(steady);
}
BENCHMARK(whole_snapshot)->Arg(10'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
