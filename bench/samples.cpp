#include "samples.h"

#include <time.h>

namespace de::bench {
namespace {

double read_ms(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

}  // namespace

double thread_cpu_ms() { return read_ms(CLOCK_THREAD_CPUTIME_ID); }
double process_cpu_ms() { return read_ms(CLOCK_PROCESS_CPUTIME_ID); }
double wall_ms() { return read_ms(CLOCK_MONOTONIC); }

}  // namespace de::bench
