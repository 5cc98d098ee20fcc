// A harmless program that the launcher starts every few seconds. Its exec must come back as an event, through the
// kernel, procmond, its spool and the link: who takes any of it away, without stopping what says that it is alive, is
// noticed.
//
// Thread: io. tick() waits for the launcher while it starts the program: milliseconds.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/control.pb.h"

namespace de::integrity {

struct CanaryOptions {
  std::int64_t interval_ns = 0;                  // 0: none is started.
  std::int64_t patience_ns = 3'000'000'000;      // Then it counts as unseen, and another one is started at once.
  std::int64_t standstill_ns = 1'000'000'000;    // We were not looked at for so long: nobody else is to blame.
  std::int64_t longest_lag_ns = 60'000'000'000;  // While older events are still coming it may be among what follows.
  unsigned unseen_to_tell = 2;                   // In a row.
};

struct CanaryCounts {
  std::uint64_t started = 0;
  std::uint64_t seen = 0;
  std::uint64_t unseen = 0;
  std::uint64_t given_up = 0;  // started == seen + unseen + given_up + the one that is out.
  std::int64_t last_took_ns = 0;
};

struct CanaryProgram {
  std::function<Result<pid_t>()> start;
  std::function<bool()> has_ended;  // Asked until it has: nothing of it stays.
};

class Canary {
 public:
  // `clock` outlives the canary.
  Canary(CanaryOptions options, CanaryProgram program, const Clock& clock)
      : options_(options), program_(std::move(program)), clock_(clock) {}

  // To be called several times a second. `why_not`: why no exec can be seen just then, as other reasons tell already;
  // empty when it must be.
  void tick(const std::string& why_not);
  void look_at(const pb::EventBatch& events);

  // CanaryUnseen, from the second one in a row that was not seen, or could not be started, until one is seen.
  std::vector<pb::Reason> reasons() const;
  const CanaryCounts& counts() const { return counts_; }
  // For a person: "12 seen, the last one within 8 ms".
  std::string describe() const;
  bool is_unseen() const { return unseen_in_row_ >= options_.unseen_to_tell; }

 private:
  void start_one(std::int64_t now_ns);
  void note_unseen(std::int64_t now_ns, std::string how);
  void give_up();
  bool is_overdue(std::int64_t now_ns) const;

  const CanaryOptions options_;
  const CanaryProgram program_;
  const Clock& clock_;
  CanaryCounts counts_;
  bool is_running_ = false;
  pid_t out_ = 0;  // The one that was not seen yet; 0: none.
  std::int64_t started_ns_ = 0;
  std::int64_t started_ms_ = 0;
  std::int64_t next_ns_ = 0;
  std::int64_t looked_ns_ = 0;
  std::int64_t arrived_ns_ = 0;  // When events came last, since it was started,
  std::int64_t newest_ms_ = 0;   // and of what time the newest of them was.
  unsigned unseen_in_row_ = 0;
  std::string why_not_;
  std::string how_unseen_;  // The last one.
};

}  // namespace de::integrity
