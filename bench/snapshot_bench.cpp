// What procmond's snapshot of 10,000 real processes costs, every column included: the first one, and those after it,
// for which the columns that cannot change are known.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "collect/collector.h"
#include "crowd.h"
#include "made_up.h"
#include "samples.h"

namespace {

using de::bench::process_cpu_ms;

constexpr int kFirstScans = 5;
constexpr int kSteadyScans = 16;  // Twice the turn in which everything is read again.

// -1 when the scan failed or missed processes.
double scan_cpu_ms(de::collect::Collector& collector, std::uint32_t at_least) {
  de::collect::EventList events;
  const double begin = process_cpu_ms();
  const auto summary = collector.scan([](de::pb::ProcessRecord&) {}, events);
  const double used = process_cpu_ms() - begin;
  return summary && summary->reported() >= at_least ? used : -1;
}

struct Cost {
  std::vector<double> first, steady;
};

// The whole way of a record: read, compared with what is known, made ready for the snapshot. Empty: it does not work.
Cost scan_cost(bool with_bpf, std::uint32_t processes) {
  Cost cost;
  const de::bench::ScratchDir dir;
  for (int i = 0; i < kFirstScans; ++i) {
    de::collect::CollectorOptions options;
    options.source.mask_arguments = true;
    options.hash.state_dir = dir.path();
    std::unique_ptr<de::collect::ProcessIterator> iterator;
    std::unique_ptr<de::collect::EventFeed> feed;  // As procmond has it: what a scan finds is compared with the events.
    if (with_bpf) {
      auto opened = de::collect::ProcessIterator::open();
      auto told = de::collect::open_feed(de::collect::FeedKind::Bpf, {}, de::system_clock());
      if (!opened || !told) return {};
      iterator = std::move(*opened);
      feed = std::move(*told);
    }
    auto collector = de::collect::Collector::create(options, de::system_clock(), std::move(feed), std::move(iterator));
    if (!collector) return {};
    cost.first.push_back(scan_cpu_ms(**collector, processes * 9 / 10));
    if (i + 1 < kFirstScans) continue;
    for (int n = 0; n < kSteadyScans; ++n) cost.steady.push_back(scan_cpu_ms(**collector, processes * 9 / 10));
  }
  return cost;
}

// Only the list and its records.
std::vector<double> sweep_cost(std::uint32_t processes) {
  std::vector<double> cost;
  de::collect::TextPool texts;
  auto iterator = de::collect::ProcessIterator::open();
  if (!iterator) return {};
  auto source = de::collect::make_process_source({}, de::system_clock(), texts, std::move(*iterator));
  if (!source) return {};
  for (int n = 0; n <= kSteadyScans; ++n) {
    const double begin = process_cpu_ms();
    const auto swept = (*source)->sweep([](de::pb::ProcessRecord&, const auto&) {});
    const double used = process_cpu_ms() - begin;
    if (!swept || swept->seen < processes * 9 / 10) return {};
    if (n > 0) cost.push_back(used);
  }
  return cost;
}

void whole_snapshot(benchmark::State& state) {
  const auto processes = static_cast<std::uint32_t>(state.range(0));
  const std::uint32_t others = de::bench::live_processes();
  const de::bench::Crowd crowd(processes > others ? processes - others : 0);
  if (!crowd.started()) return state.SkipWithError("the processes do not start");
  for (auto _ : state) {
    const Cost proc = scan_cost(false, processes);
    if (proc.first.empty() || *std::ranges::min_element(proc.first) < 0) return state.SkipWithError("a scan failed");
    state.counters["first_cpu_ms"] = de::bench::median(proc.first);
    state.counters["steady_cpu_ms"] = de::bench::median(proc.steady);
    const Cost bpf = scan_cost(true, processes);
    if (bpf.first.empty()) continue;  // Then its budgets say that it was not measured.
    state.counters["bpf_first_cpu_ms"] = de::bench::median(bpf.first);
    state.counters["bpf_steady_cpu_ms"] = de::bench::median(bpf.steady);
    state.counters["bpf_sweep_cpu_ms"] = de::bench::median(sweep_cost(processes));
  }
}
BENCHMARK(whole_snapshot)->Arg(10'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
