// Do the counts add up? Every identity compares what different code counted: programs in the kernel, /proc/stat, the
// reader of the ring, the model. A difference is a loss that nobody noticed, and is said.
//
// Thread: collector.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "collect/event_feed.h"
#include "daemoneye/base/result.h"
#include "daemoneye/broker.pb.h"

namespace de::collect {

// What the kernel made since boot by its own count, read between two readings of ours.
struct CloneSample {
  std::uint64_t before = 0;  // FeedCounts::clones
  std::uint64_t total = 0;   // `processes` of /proc/stat: every clone, threads too.
  std::uint64_t after = 0;
};

// Whether the kernel's count and ours move together. They are never read at the same instant, so each sample gives a
// range for their difference; ranges that do not meet mean that somebody missed something.
class CloneCheck {
 public:
  using Sample = std::function<std::optional<CloneSample>()>;

  // Takes samples until one fits, at most kMaxTries: a clone that is just being made is in one count and not yet in the
  // other. Returns how many clones were missed since the last check: 0 when all is well, negative when too many were
  // counted. Nothing: /proc/stat cannot be read.
  std::optional<std::int64_t> check(const Sample& sample, std::int64_t now_ms);
  std::int64_t missed() const { return missed_; }  // Over all checks.
  // As long as a gap counts: something was missed within the last hour.
  bool is_off(std::int64_t now_ms) const { return missed_at_ms_ && now_ms - *missed_at_ms_ < kToldForMs; }
  std::uint64_t checks() const { return checks_; }

 private:
  static constexpr int kMaxTries = 5;
  static constexpr std::int64_t kToldForMs = 3'600'000;
  std::optional<std::int64_t> low_, high_;  // Of total - clones.
  std::int64_t missed_ = 0;
  std::optional<std::int64_t> missed_at_ms_;
  std::uint64_t checks_ = 0;
};

// `processes` of /proc/stat. Errors: NotFound, Denied, Io, Corrupt.
Result<std::uint64_t> read_clone_total();

// A fork that is just being made is counted here and not yet there: only what stays so is a difference.
bool is_balanced(const FeedCounts& counts);

// The identities of one feed at a moment when everything was drained, as health shows them.
// `skipped` as EventFeed has it.
std::vector<pb::Finding> judge(const FeedCounts& counts, std::uint64_t skipped, const CloneCheck& clones,
                               std::int64_t now_ms);

}  // namespace de::collect
