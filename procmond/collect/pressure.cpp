#include "collect/pressure.h"

#include <algorithm>
#include <cmath>

namespace de::collect {
namespace {

// A level is kept until what caused it is well below where it began.
constexpr double kStay = 0.8;

struct Gauge {
  double PressureReading::*value;
  std::array<double, 3> rises_above;  // To the first, second and third level.
  const char* what;
};

constexpr Gauge kGauges[] = {
    {&PressureReading::ring, {0.25, 0.375, 0.5}, "of the kernel's buffer is full"},
    {&PressureReading::waiting, {0.25, 0.375, 0.5}, "of the events that may wait for the spool are waiting"},
    // The agent does not take them: there is more time here, but what goes in has to last for long.
    {&PressureReading::spool, {0.5, 0.65, 0.8}, "of the spool is full"},
};

int level_above(const Gauge& gauge, const PressureReading& reading, double factor) {
  int level = 0;
  for (const double limit : gauge.rises_above)
    if (reading.*gauge.value > limit * factor) ++level;
  return level;
}

std::string percent(double value) { return std::to_string(std::lround(value)) + " %"; }

std::string share_of(const Gauge& gauge, const PressureReading& reading) {
  return percent(100 * std::min(reading.*gauge.value, 1.0)) + " " + gauge.what;
}

}  // namespace

void Pressure::measure_cpu(const PressureReading& reading) {
  cpu_is_over_ = false;
  if (reading.now_ns - cpu_seen_ns_ < kCpuIntervalNs) return;
  cpu_percent_ =
      100.0 * static_cast<double>(reading.cpu_ns - cpu_used_ns_) / static_cast<double>(reading.now_ns - cpu_seen_ns_);
  cpu_seen_ns_ = reading.now_ns;
  cpu_used_ns_ = reading.cpu_ns;
  cpu_is_over_ = max_cpu_percent_ > 0 && cpu_percent_ > max_cpu_percent_;
}

void Pressure::rise(int to, const PressureReading& reading, std::string why) {
  if (reading.now_ns - fell_ns_ < kRelapseNs && fell_ns_ != 0) {
    calm_needed_ns_ = std::min(2 * calm_needed_ns_, kLongestCalmNs);
    fell_ns_ = 0;  // Once for each fall.
  } else if (level_ == 0) {
    calm_needed_ns_ = kCalmNs;
  }
  level_ = to;
  why_ = std::move(why);
  ++rises_;
}

bool Pressure::cpu_stays() const { return max_cpu_percent_ > 0 && cpu_percent_ > kStay * max_cpu_percent_; }

// True when one level less is enough.
bool Pressure::fall(const PressureReading& reading) {
  int stays = 0;
  for (const Gauge& gauge : kGauges) stays = std::max(stays, level_above(gauge, reading, kStay));
  if (stays >= level_ || cpu_stays()) {
    calm_since_ns_ = reading.now_ns;
    return false;
  }
  if (reading.now_ns - calm_since_ns_ < calm_needed_ns_) return false;
  --level_;
  if (level_ == 0) why_.clear();
  calm_since_ns_ = fell_ns_ = reading.now_ns;
  return true;
}

// True when what began it is over and something else, which is the cause from now on, keeps it up. An answer that
// blames what is long over sends people looking in the wrong place.
bool Pressure::change_cause(const PressureReading& reading) {
  if (level_ == 0 || (cause_ == nullptr && cpu_stays())) return false;
  const auto keeps = [&](const Gauge& gauge) { return level_above(gauge, reading, kStay) >= level_; };
  const Gauge* other = nullptr;
  for (const Gauge& gauge : kGauges) {
    if (!keeps(gauge)) continue;
    if (gauge.value == cause_) return false;
    other = &gauge;
  }
  if (other == nullptr) return false;
  cause_ = other->value;
  why_ = share_of(*other, reading);
  return true;
}

std::optional<Pressure::Change> Pressure::observe(const PressureReading& reading) {
  if (!seen_ns_) {
    cpu_seen_ns_ = reading.now_ns;
    cpu_used_ns_ = reading.cpu_ns;
  } else {
    time_ns_[static_cast<std::size_t>(level_)] += reading.now_ns - *seen_ns_;
  }
  seen_ns_ = reading.now_ns;
  measure_cpu(reading);
  Change change;
  change.from = level();
  const Gauge* cause = nullptr;
  // What the processor costs cannot be told beforehand: one step for each interval that was over the quota.
  int wanted = cpu_is_over_ ? std::min(level_ + 1, 3) : 0;
  std::string why = percent(cpu_percent_) + " of a processor used, " + std::to_string(max_cpu_percent_) + " % allowed";
  for (const Gauge& gauge : kGauges) {
    const int level = level_above(gauge, reading, 1);
    if (level <= wanted) continue;
    wanted = level;
    cause = &gauge;
    why = share_of(gauge, reading);
  }
  if (wanted > level_) {
    rise(wanted, reading, why);
    calm_since_ns_ = reading.now_ns;
    cause_ = cause == nullptr ? nullptr : cause->value;
  } else if (change_cause(reading)) {
    calm_since_ns_ = reading.now_ns;
    why = why_;
  } else if (level_ == 0 || !fall(reading)) {
    return std::nullopt;
  } else {
    why = "it has been calm for " + std::to_string(calm_needed_ns_ / 1'000'000'000) + " s";
  }
  change.to = level();
  change.why = std::move(why);
  return change;
}

}  // namespace de::collect
