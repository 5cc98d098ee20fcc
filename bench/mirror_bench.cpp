// One scan of 10,000 processes into the SQL mirror, up to the published image.
#include <benchmark/benchmark.h>

#include "made_up.h"
#include "mirror/mirror.h"
#include "samples.h"

namespace {

using de::bench::MadeUpHost;

// `serialised` is what came with each record, as the intake has it for the store.
bool scan(de::mirror::Mirror& mirror, const MadeUpHost& host, const std::vector<std::string>& serialised,
          std::uint64_t scan_id, std::int64_t now_ms) {
  if (!mirror.begin_scan(scan_id, now_ms)) return false;
  for (std::size_t i = 0; i < serialised.size(); ++i)
    if (!mirror.upsert(host.processes()[i], serialised[i])) return false;
  return mirror.finish_scan().has_value();
}

std::vector<std::string> serialised(const MadeUpHost& host) {
  std::vector<std::string> out;
  for (const auto& record : host.processes()) out.push_back(record.SerializeAsString());
  return out;
}

// range(1): of a thousand processes, how many changed since the scan before.
void mirror_delta(benchmark::State& state) {
  MadeUpHost host(static_cast<std::uint32_t>(state.range(0)));
  auto mirror = de::mirror::Mirror::create();
  std::int64_t now_ms = 1'767'225'600'000;
  if (!mirror || !scan(**mirror, host, serialised(host), 1, now_ms))
    return state.SkipWithError("the first scan failed");
  std::uint64_t scan_id = 1;
  std::vector<double> times_ms;
  std::vector<double> cpu_times_ms;
  for (auto _ : state) {
    state.PauseTiming();
    now_ms += 30'000;
    if (state.range(1) != 0) host.tick(now_ms, static_cast<unsigned>(state.range(1)));
    const auto bytes = serialised(host);
    state.ResumeTiming();
    const double begin = de::bench::wall_ms();
    const double cpu_begin = de::bench::thread_cpu_ms();
    if (!scan(**mirror, host, bytes, ++scan_id, now_ms)) return state.SkipWithError("a scan failed");
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
