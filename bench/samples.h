// Medians, and where the time goes.
//
// Thread: any (pure).
#pragma once

#include <algorithm>
#include <vector>

namespace de::bench {

inline double quantile(std::vector<double> samples, double share) {
  if (samples.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(samples.size()));
  const auto place = samples.begin() + static_cast<std::ptrdiff_t>(std::min(at, samples.size() - 1));
  std::nth_element(samples.begin(), place, samples.end());
  return *place;
}

inline double median(std::vector<double> samples) { return quantile(std::move(samples), 0.5); }

// CPU time of this thread: how much of a wall time was the work and how much was waiting for a busy machine.
double thread_cpu_ms();
// The same for all threads of this process, the kernel's work for them included.
double process_cpu_ms();
double wall_ms();

}  // namespace de::bench
