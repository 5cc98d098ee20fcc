// Whether we keep up, and what is left out when we do not: environments first, then hashes, then the ends of long
// argument lists; never the fact that a process began, executed something or ended. The level rises at once and falls
// one step at a time, once it has been calm for a while: longer when the last fall came too early.
//
// Thread: any (a value of its owner).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "collect/shed.h"

namespace de::collect {

struct PressureReading {
  std::int64_t now_ns = 0;  // Of a clock that never goes back.
  double ring = 0;          // How full the kernel's buffer was at its fullest since the last reading, 0 to 1.
  double waiting = 0;       // Events fetched and not spooled yet, as a part of how many may wait.
  double spool = 0;         // Spooled and not taken by the agent, as a part of the disk for them.
  std::int64_t cpu_ns = 0;  // CPU time we have used since we were started.
};

class Pressure {
 public:
  static constexpr std::int64_t kCpuIntervalNs = 2'000'000'000;
  static constexpr std::int64_t kCalmNs = 5'000'000'000;
  static constexpr std::int64_t kLongestCalmNs = 80'000'000'000;
  static constexpr std::int64_t kRelapseNs = 30'000'000'000;  // A rise so soon after a fall doubles the calm.

  struct Change {
    Shedding from = Shedding::Nothing;
    Shedding to = Shedding::Nothing;
    std::string why;
  };

  // `max_cpu_percent` of one processor; 0: as much as it takes.
  explicit Pressure(std::uint32_t max_cpu_percent) : max_cpu_percent_(max_cpu_percent) {}

  // From the next whole interval on.
  void set_max_cpu_percent(std::uint32_t percent) { max_cpu_percent_ = percent; }
  // What changed by this reading, be it only the reason (`from` equals `to` then); the first one only begins the
  // measuring of CPU time.
  std::optional<Change> observe(const PressureReading& reading);

  Shedding level() const { return static_cast<Shedding>(level_); }
  const std::string& why() const { return why_; }  // Of the last change but a fall; empty when nothing is left out.
  // Time spent at each level until the last reading, by level.
  const std::array<std::int64_t, 4>& time_ns() const { return time_ns_; }
  std::uint64_t rises() const { return rises_; }

 private:
  using Reading = double PressureReading::*;

  bool change_cause(const PressureReading& reading);
  bool cpu_stays() const;
  void measure_cpu(const PressureReading& reading);
  void rise(int to, const PressureReading& reading, std::string why);
  bool fall(const PressureReading& reading);

  std::uint32_t max_cpu_percent_;
  int level_ = 0;
  std::string why_;
  Reading cause_ = nullptr;  // Null: the processor.
  std::int64_t calm_since_ns_ = 0;
  std::int64_t calm_needed_ns_ = kCalmNs;
  std::int64_t fell_ns_ = 0;
  std::optional<std::int64_t> seen_ns_;
  std::int64_t cpu_seen_ns_ = 0, cpu_used_ns_ = 0;  // The begin of the interval, and what was used by then.
  double cpu_percent_ = 0;                          // Of the last whole interval.
  bool cpu_is_over_ = false;                        // An interval that has just ended was over the quota.
  std::array<std::int64_t, 4> time_ns_{};
  std::uint64_t rises_ = 0;
};

}  // namespace de::collect
