// Rules with AUTO JOIN: asked apart from the others, because what they read from processes takes its time.
//
// Thread: detect, except Jobs (io).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "detect/rule.h"
#include "mirror/live.h"
#include "mirror/stored_source.h"

namespace de::ingest {

// A rule that is to be asked, of the events of that time; of the snapshot alone when there is none.
struct LiveJob {
  std::shared_ptr<const detect::Rule> rule;
  std::int64_t from_ms = mirror::kNoStartMs;
  std::int64_t to_ms = mirror::kNoEndMs;  // Half open.
};

// Those that wait; of one rule those that belong together are one.
class LiveJobs {
 public:
  static constexpr std::size_t kMax = 256;
  static constexpr std::int64_t kTogetherMs = 50;

  void add(LiveJob job);
  bool is_empty() const { return jobs_.empty(); }
  LiveJob pop();
  std::uint64_t shed() const { return shed_; }  // More than there is room for.

 private:
  std::deque<LiveJob> jobs_;
  std::uint64_t shed_ = 0;
};

// How many processes may be read for each rule in a minute.
class LiveBudget {
 public:
  explicit LiveBudget(std::uint32_t per_minute) : per_minute_(per_minute) {}
  std::size_t left(const std::string& rule_id, std::int64_t now_ns);
  void spend(const std::string& rule_id, std::size_t reads) { of_[rule_id].used += reads; }

 private:
  struct Minute {
    std::int64_t since_ns = 0;
    std::size_t used = 0;
  };
  const std::uint32_t per_minute_;
  std::map<std::string, Minute> of_;  // At most as many as there are rules, and were.
};

}  // namespace de::ingest
