// One scan of 10,000 processes into the SQL mirror, up to the published image.
#include <benchmark/benchmark.h>

#include "made_up.h"
#include "mirror/mirror.h"
#include "samples.h"

namespace {

using de::bench::MadeUpHost;

bool scan(de::mirror::Mirror& mirror, const MadeUpHost& host, std::uint64_t scan_id, std::int64_t now_ms) {
  if (!mirror.begin_scan(scan_id, now_ms)) return false;
  for (const auto& record : host.processes())
    if (!mirror.upsert(record)) return false;
  return mirror.finish_scan().has_value();
}

// range(1): of a thousand processes, how many changed since the scan before.
void mirror_delta(benchmark::State& state) {
  MadeUpHost host(static_cast<std::uint32_t>(state.range(0)));
  auto mirror = de::mirror::Mirror::create();
  std::int64_t now_ms = 1'767'225'600'000;
  if (!mirror || !scan(**mirror, host, 1, now_ms)) return state.SkipWithError("the first scan failed");
  std::uint64_t scan_id = 1;
  std::vector<double> times_ms;
  std::vector<double> cpu_times_ms;
  for (auto _ : state) {
    state.PauseTiming();
    now_ms += 30'000;
    if (state.range(1) != 0) host.tick(now_ms, static_cast<unsigned>(state.range(1)));
    state.ResumeTiming();
    const double begin = de::bench::wall_ms();
    const double cpu_begin = de::bench::thread_cpu_ms();
    if (!scan(**mirror, host, ++scan_id, now_ms)) return state.SkipWithError("a scan failed");
    times_ms.push_back(de::bench::wall_ms() - begin);
    cpu_times_ms.push_back(de::bench::thread_cpu_ms() - cpu_begin);
  }
  state.counters["median_ms"] = de::bench::median(times_ms);
  state.counters["cpu_ms"] = de::bench::median(cpu_times_ms);
  const auto& image = (*mirror)->image();
  state.counters["image_bytes_per_process"] =
      static_cast<double>(image->size_bytes) / static_cast<double>(state.range(0));
}
BENCHMARK(mirror_delta)->Args({10'000, 200})->Args({10'000, 0})->Unit(benchmark::kMillisecond);

}  // namespace
