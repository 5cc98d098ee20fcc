// What the checksum of every frame and spool record costs.
#include <benchmark/benchmark.h>

#include <string>

#include "daemoneye/frame/crc32c.h"

namespace {

void frame_crc(benchmark::State& state) {
  const std::string payload(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(de::frame::crc32c(payload));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(frame_crc)->Arg(256)->Arg(16 << 10)->Arg(1 << 20);

}  // namespace
