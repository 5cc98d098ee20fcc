// What it costs to remember and to find the events of short-lived processes.
#include <benchmark/benchmark.h>

#include "made_up.h"
#include "made_up_lives.h"
#include "samples.h"
#include "store/store.h"

namespace {

using de::bench::MadeUpLives;
using de::bench::MovingClock;
using de::bench::ScratchDir;
using de::store::EventFilter;
using de::store::Store;

constexpr std::uint32_t kQueried = 1'000'000;
constexpr double kManyRows = 100'000;

double stored_bytes(const Store& store) {
  const auto stats = store.stats();
  return stats ? static_cast<double>(stats->bytes) : 0;
}

// range(0): events of one commit.
void event_lives(benchmark::State& state) {
  const auto batch_size = static_cast<std::uint32_t>(state.range(0));
  const ScratchDir dir;
  MovingClock clock;
  auto store = Store::open({.dir = dir.path() + "/store"}, clock);
  if (!store) return state.SkipWithError("the store does not open");
  MadeUpLives lives(clock.now_ms);
  // The first day of a store has its tables made first.
  if (!(*store)->append_events("bench", "spool", lives.next(1))) return state.SkipWithError("the first event failed");
  const double before = stored_bytes(**store);
  double cpu_ms = 0, given_bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const auto batch = lives.next(batch_size);
    clock.now_ms = lives.now_ms();
    given_bytes += static_cast<double>(batch.ByteSizeLong());
    state.ResumeTiming();
    const double begin = de::bench::thread_cpu_ms();
    if (!(*store)->append_events("bench", "spool", batch)) return state.SkipWithError("a batch failed");
    cpu_ms += de::bench::thread_cpu_ms() - begin;
  }
  const double events = static_cast<double>(state.iterations()) * batch_size;
  state.counters["cpu_us_per_event"] = cpu_ms * 1000 / events;
  state.counters["given_bytes_per_event"] = given_bytes / events;
  state.counters["bytes_per_event"] = (stored_bytes(**store) - before) / events;
  state.counters["bytes_per_life"] = (stored_bytes(**store) - before) / events * 3;
}
BENCHMARK(event_lives)->Arg(10)->Iterations(6'000)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(event_lives)->Arg(100)->Iterations(1'000)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(event_lives)->Arg(1'000)->Iterations(200)->Unit(benchmark::kMillisecond)->UseRealTime();

double find_ms(const Store& store, const EventFilter& filter, std::uint64_t limit, double& rows) {
  std::vector<double> samples;
  for (int i = 0; i < (rows > kManyRows ? 1 : 5); ++i) {  // What takes seconds is measured once.
    std::uint64_t count = 0;
    const double begin = de::bench::wall_ms();
    const auto found =
        store.find_events(filter, [&](std::string_view, const de::pb::ProcessEvent&) { return ++count < limit; });
    samples.push_back(de::bench::wall_ms() - begin);
    rows = found ? static_cast<double>(found->rows) : -1;
  }
  return de::bench::median(std::move(samples));
}

// A million events of one day.
void event_queries(benchmark::State& state) {
  const ScratchDir dir;
  MovingClock clock;
  auto store = Store::open({.dir = dir.path() + "/store"}, clock);
  if (!store) return state.SkipWithError("the store does not open");
  MadeUpLives lives(clock.now_ms);
  de::pb::ProcessEvent middle;
  for (std::uint32_t stored = 0; stored < kQueried; stored += 1000) {
    const auto batch = lives.next(1000);
    clock.now_ms = lives.now_ms();
    if (stored == kQueried / 2) middle = batch.events(500);
    if (!(*store)->append_events("bench", "spool", batch)) return state.SkipWithError("a batch failed");
  }
  const auto measure = [&](const char* name, const EventFilter& filter, std::uint64_t limit) {
    double rows = 0;
    state.counters[std::string(name) + "_ms"] = find_ms(**store, filter, limit, rows);
    state.counters[std::string(name) + "_rows"] = rows;
  };
  for (auto _ : state) {
    EventFilter by_pid, by_uid, by_name, by_hash, newest, all;
    by_pid.pid = middle.process().pid();
    by_uid.process_uid = middle.process().process_uid();
    by_name.name = lives.programs()[399].name;  // The rarest one, still in many blocks.
    by_hash.executable_hash = lives.programs()[200].hash;
    newest.newest_first = true;
    measure("pid", by_pid, UINT64_MAX);
    measure("uid", by_uid, UINT64_MAX);
    measure("name", by_name, UINT64_MAX);
    measure("hash", by_hash, UINT64_MAX);
    measure("newest", newest, 100);
    measure("all", all, UINT64_MAX);
  }
}
BENCHMARK(event_queries)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
