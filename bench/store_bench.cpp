// What it costs to remember: scans and events, synced to disk, with every index.
#include <benchmark/benchmark.h>

#include "made_up.h"
#include "store/store.h"

namespace {

using de::bench::MadeUpHost;
using de::bench::MovingClock;
using de::bench::ScratchDir;

double stored_bytes(const de::store::Store& store) {
  const auto stats = store.stats();
  return stats ? static_cast<double>(stats->bytes) : 0;
}

bool write_scan(de::store::Store& store, const MadeUpHost& host, std::uint64_t scan_id, std::int64_t now_ms) {
  if (!store.begin_scan({.scan_id = scan_id, .time_ms = now_ms, .collector = "bench", .summary = {}})) return false;
  std::string bytes;
  for (const auto& record : host.processes())
    if (!record.SerializeToString(&bytes) || !store.add(record, bytes)) return false;
  return store.finish_scan().has_value();
}

// An hour of scans. The first is a keyframe: its time is not measured, its bytes are, spread over the hour it serves.
void store_scans(benchmark::State& state) {
  const ScratchDir dir;
  MovingClock clock;
  auto store = de::store::Store::open({.dir = dir.path() + "/store"}, clock);
  MadeUpHost host(static_cast<std::uint32_t>(state.range(0)));
  if (!store) return state.SkipWithError("the store does not open");
  const double before = stored_bytes(**store);
  if (!write_scan(**store, host, 1, clock.now_ms)) return state.SkipWithError("the first scan failed");
  std::uint64_t scan_id = 1;
  for (auto _ : state) {
    state.PauseTiming();
    clock.now_ms += 30'000;
    host.tick(clock.now_ms, 100);
    state.ResumeTiming();
    if (!write_scan(**store, host, ++scan_id, clock.now_ms)) return state.SkipWithError("a scan failed");
  }
  const auto processes = static_cast<double>(state.range(0));
  const double states = static_cast<double>(state.iterations()) * processes;
  state.counters["states_per_s"] = benchmark::Counter(states, benchmark::Counter::kIsRate);
  state.counters["bytes_per_process"] = (stored_bytes(**store) - before) / (states + processes);
}
BENCHMARK(store_scans)->Arg(10'000)->Iterations(119)->Unit(benchmark::kMillisecond)->UseRealTime();

// range(0): events of one commit. A message holds at most 256, and what waits while a commit runs is committed
// together, up to 2,000.
void store_events(benchmark::State& state) {
  const auto batch_size = static_cast<std::uint32_t>(state.range(0));
  const ScratchDir dir;
  MovingClock clock;
  auto store = de::store::Store::open({.dir = dir.path() + "/store"}, clock);
  if (!store) return state.SkipWithError("the store does not open");
  MadeUpHost host(1);
  const double before = stored_bytes(**store);
  std::uint64_t sequence = 1;
  for (auto _ : state) {
    state.PauseTiming();
    clock.now_ms += 1;
    const auto batch = host.events(batch_size, sequence, clock.now_ms);
    sequence += batch_size;
    state.ResumeTiming();
    if (!(*store)->append_events("bench", "spool", batch)) return state.SkipWithError("a batch failed");
  }
  const double events = static_cast<double>(state.iterations()) * batch_size;
  state.counters["events_per_s"] = benchmark::Counter(events, benchmark::Counter::kIsRate);
  state.counters["bytes_per_event"] = (stored_bytes(**store) - before) / events;
}
BENCHMARK(store_events)->Arg(256)->Arg(2'000)->Iterations(50)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
