#include "collect/books.h"

#include <algorithm>

namespace de::collect {
namespace {

pb::Finding finding(const char* component, bool good, std::string detail) {
  pb::Finding out;
  out.set_component(component);
  out.set_level(good ? pb::Finding::OK : pb::Finding::FAILED);
  out.set_detail(std::move(detail));
  return out;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

std::uint64_t delivered_by(const FeedCounts& counts) {
  return counts.forks + counts.execs + counts.exits + counts.malformed;
}

bool has_every_event(const FeedCounts& counts) { return counts.happened == delivered_by(counts) + counts.dropped; }

bool has_every_clone(const FeedCounts& counts) {
  return counts.clones == 0 || counts.clones == counts.fork_calls + counts.threads + counts.workers;
}

}  // namespace

std::optional<std::int64_t> CloneCheck::check(const Sample& sample, std::int64_t now_ms) {
  std::int64_t low = 0, high = 0;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    const std::optional<CloneSample> now = sample();
    if (!now) return std::nullopt;
    low = static_cast<std::int64_t>(now->total - now->after);
    high = static_cast<std::int64_t>(now->total - now->before);
    if (!low_) break;
    if (low <= *high_ && high >= *low_) {
      low_ = std::max(low, *low_);
      high_ = std::min(high, *high_);
      ++checks_;
      return 0;
    }
  }
  const std::int64_t missed = !low_ ? 0 : low > *high_ ? low - *high_ : high - *low_;
  low_ = low;
  high_ = high;
  missed_ += missed;
  if (missed != 0) missed_at_ms_ = now_ms;
  ++checks_;
  return missed;
}

bool is_balanced(const FeedCounts& counts) { return has_every_event(counts) && has_every_clone(counts); }

std::vector<pb::Finding> judge(const FeedCounts& counts, std::uint64_t skipped, const CloneCheck& clones,
                               std::int64_t now_ms) {
  std::vector<pb::Finding> findings;
  const std::uint64_t delivered = delivered_by(counts);
  findings.push_back(finding("books.kernel", has_every_event(counts) && counts.malformed + skipped == 0,
                             "happened " + number(counts.happened) + " = delivered " + number(delivered) +
                                 " + dropped " + number(counts.dropped) +
                                 (counts.malformed > 0 ? ", malformed " + number(counts.malformed) : "") +
                                 (skipped > 0 ? ", not looked at " + number(skipped) : "")));
  if (counts.clones == 0) return findings;
  findings.push_back(finding("books.forks", has_every_clone(counts),
                             "clones " + number(counts.clones) + " = processes " + number(counts.fork_calls) +
                                 " + threads " + number(counts.threads) + " + kernel workers " +
                                 number(counts.workers)));
  if (clones.checks() > 0)
    findings.push_back(finding("books.clones", !clones.is_off(now_ms),
                               clones.missed() == 0
                                   ? "as many as /proc/stat counts"
                                   : std::to_string(clones.missed()) + " more in /proc/stat since procmond started" +
                                         (clones.is_off(now_ms) ? "" : ", none in the last hour")));
  return findings;
}

}  // namespace de::collect
