// What procmond's snapshot of 10,000 real processes costs: the first one, and those after it, for which the columns
// that cannot change are known; with every column, and with the columns on demand that nobody, somebody or everybody's
// plan asks for.
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

// Which columns on demand are asked for, and of whom.
enum class Asked : std::uint8_t { AllWithoutPlans, Nothing, OfAll, OfFew, OfEachByPredicate };

bool ask(de::collect::Collector& collector, Asked asked) {
  de::pb::DetectionTask task;
  task.set_task_id("bench");
  task.set_task_type(de::pb::COLLECT_COLUMNS);
  de::pb::PushdownPlan& plan = *task.mutable_pushdown_plan();
  plan.set_table("processes");
  plan.set_ttl_ms(300'000);
  for (const char* column : {"fd_count", "io_read_bytes", "io_write_bytes"}) plan.add_projection(column);
  if (asked != Asked::OfAll) {
    de::pb::Predicate& predicate = *plan.add_predicates();
    predicate.set_column("executable_path");
    predicate.set_op(de::pb::PREDICATE_OP_GLOB);
    predicate.add_values()->set_string_value(asked == Asked::OfFew ? "/usr/sbin/*" : "*");
  }
  return collector.run_task(task).success();
}

struct Cost {
  std::vector<double> first, steady;
};

// The whole way of a record: read, compared with what is known, made ready for the snapshot. Empty: it does not work.
Cost scan_cost(bool with_bpf, std::uint32_t processes, Asked asked) {
  Cost cost;
  const de::bench::ScratchDir dir;
  const int first_scans = asked == Asked::AllWithoutPlans ? kFirstScans : 1;
  for (int i = 0; i < first_scans; ++i) {
    de::collect::CollectorOptions options;
    options.on_demand = asked != Asked::AllWithoutPlans;
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
    if (i + 1 < first_scans) continue;
    if (asked > Asked::Nothing && !ask(**collector, asked)) return {};
    for (int n = 0; n < kSteadyScans; ++n) cost.steady.push_back(scan_cpu_ms(**collector, processes * 9 / 10));
  }
  return cost;
}

double steady_cpu_ms(bool with_bpf, std::uint32_t processes, Asked asked) {
  const Cost cost = scan_cost(with_bpf, processes, asked);
  return cost.steady.empty() ? -1 : de::bench::median(cost.steady);
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
    const Cost proc = scan_cost(false, processes, Asked::AllWithoutPlans);
    if (proc.first.empty() || *std::ranges::min_element(proc.first) < 0) return state.SkipWithError("a scan failed");
    state.counters["first_cpu_ms"] = de::bench::median(proc.first);
    state.counters["steady_cpu_ms"] = de::bench::median(proc.steady);
    state.counters["on_demand_cpu_ms"] = steady_cpu_ms(false, processes, Asked::Nothing);
    state.counters["plan_of_all_cpu_ms"] = steady_cpu_ms(false, processes, Asked::OfAll);
    state.counters["plan_of_few_cpu_ms"] = steady_cpu_ms(false, processes, Asked::OfFew);
    state.counters["plan_of_each_cpu_ms"] = steady_cpu_ms(false, processes, Asked::OfEachByPredicate);
    const Cost bpf = scan_cost(true, processes, Asked::AllWithoutPlans);
    if (bpf.first.empty()) continue;  // Then its budgets say that it was not measured.
    state.counters["bpf_first_cpu_ms"] = de::bench::median(bpf.first);
    state.counters["bpf_steady_cpu_ms"] = de::bench::median(bpf.steady);
    state.counters["bpf_on_demand_cpu_ms"] = steady_cpu_ms(true, processes, Asked::Nothing);
    state.counters["bpf_plan_of_few_cpu_ms"] = steady_cpu_ms(true, processes, Asked::OfFew);
    state.counters["bpf_plan_of_each_cpu_ms"] = steady_cpu_ms(true, processes, Asked::OfEachByPredicate);
    state.counters["bpf_sweep_cpu_ms"] = de::bench::median(sweep_cost(processes));
  }
}
BENCHMARK(whole_snapshot)->Arg(10'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
