// What the statement that is running on this thread has used: SQLite's memory is limited per process only, so its
// allocator is replaced by one that charges the thread. (Measured: with the process-wide limit, one connection's
// sorter made the inserts of another fail.)
//
// Thread: any; a charge belongs to the thread that opened its scope.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"

namespace de::mirror {

// The second fence, for the whole process. Far above what mirror, images and sessions need together, because
// reaching it fails whoever allocates next, not whoever took too much.
constexpr std::int64_t kHardHeapBytes = 512LL << 20;

struct Charge {
  const Clock* clock = nullptr;
  std::size_t limit_bytes = 0;
  std::int64_t deadline_ns = 0;  // Of Clock::steady_ns.
  // Where it is later than the deadline: until then only what this thread computed counts, up to `cpu_deadline_ns` of
  // CLOCK_THREAD_CPUTIME_ID.
  std::int64_t patience_ns = 0;
  std::int64_t cpu_deadline_ns = 0;
  std::size_t used_bytes = 0;
  unsigned calls = 0;
  std::size_t unlooked_bytes = 0;  // Of work since the last look.
  bool over_memory = false;
  bool over_time = false;
  const std::atomic<bool>* is_unwanted = nullptr;  // As in Budget: as if there were no time left.

  // Looks at the clock and remembers the verdict.
  bool is_late();
  // The same before work of so many bytes, but not for every little piece of it.
  bool is_late_for(std::size_t bytes);
};

// What this thread has computed.
std::int64_t thread_cpu_ns();

// While alive, allocations of this thread are charged to `charge`; an inner scope takes over until it ends.
class ChargeScope {
 public:
  explicit ChargeScope(Charge& charge);
  ~ChargeScope();
  ChargeScope(const ChargeScope&) = delete;
  ChargeScope& operator=(const ChargeScope&) = delete;

 private:
  Charge* outer_;
};

// The charge of this thread, or null: for long-running SQL functions.
Charge* current_charge();

// Installs the allocator; must come before any other use of SQLite in the process, and does so, because every
// connection of this module is opened after it. Errors: Io (somebody else initialised SQLite first).
Result<> prepare_library();

}  // namespace de::mirror
