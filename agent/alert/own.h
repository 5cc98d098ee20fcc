// Alerts about DaemonEye itself: what it cannot see, store or evaluate.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "daemoneye/alert.pb.h"
#include "daemoneye/base/clock.h"

namespace de::alert {

constexpr std::int64_t kOwnDedupeWindowMs = 300'000;  // A trouble that comes and goes is one alert, counted.

// The rule id is "daemoneye." and the reason in kebab case: "daemoneye.collector-unavailable".
pb::Alert make_own(const pb::Reason& reason, const std::string& host, const Clock& clock);

// Tells which reasons are new since the last look, by reason, collector and subject.
class OwnTroubles {
 public:
  std::vector<pb::Reason> find_new(const pb::Completeness& now);
  // The alerts could not be stored: tell them again.
  void forget() { known_.clear(); }

 private:
  using Key = std::tuple<std::string, std::string, std::string>;
  std::set<Key> known_;
};

}  // namespace de::alert
