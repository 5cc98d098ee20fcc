// Whether a thread still does its work: it beats, somebody else listens.
//
// Thread: beat() the one that works, the rest the one that listens.
#pragma once

#include <atomic>
#include <cstdint>

namespace de {

// Longer than any healthy piece of work: a scan of 100,000 processes without BPF, a round of slow rules over a
// snapshot.
constexpr std::int64_t kStandstillNs = 300'000'000'000;

class Pulse {
 public:
  void beat() { beats_.fetch_add(1, std::memory_order_relaxed); }

  // Since when, at `now_ns` of the steady clock, no new beat was found; 0 when there was one. The first time counts as
  // one.
  std::int64_t silent_ns(std::int64_t now_ns) {
    const std::uint64_t beats = beats_.load(std::memory_order_relaxed);
    if (has_begun_ && beats == heard_) return now_ns - heard_ns_;
    has_begun_ = true;
    heard_ = beats;
    heard_ns_ = now_ns;
    return 0;
  }

  // For a thread that only works when it is asked to: whether a question may be put. It must beat in answer.
  bool ask() {
    if (beats_.load(std::memory_order_relaxed) != asked_) return false;
    ++asked_;
    return true;
  }

 private:
  std::atomic<std::uint64_t> beats_ = 0;
  std::uint64_t heard_ = 0;
  std::uint64_t asked_ = 0;
  std::int64_t heard_ns_ = 0;
  bool has_begun_ = false;
};

}  // namespace de
