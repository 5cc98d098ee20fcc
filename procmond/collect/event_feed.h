// What the kernel says about processes the moment it happens. One implementation per kernel facility, in
// collect/<os>/: BPF (everything is captured where it happens), the proc connector (only that it happened).
//
// Thread: the one that drains. Opening takes privileges, draining none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "collect/file_key.h"
#include "collect/shed.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/process.pb.h"

namespace de::collect {

struct CaptureOptions {
  bool mask_arguments = true;                      // And the environment.
  bool environment = false;                        // Captured at exec, and cut at 256 KiB.
  std::size_t max_argv_bytes = 2UL * 1024 * 1024;  // What is longer is cut, which the record says.
};

struct FeedOptions {
  CaptureOptions capture;
  std::size_t buffer_bytes = 4UL << 20;  // For BPF: in the kernel, a power of two of at least a page.
  // Nothing is told before begin(): for the day when a better feed is taken away and no socket may be opened any more.
  bool begin_later = false;  // The connector only.
};

enum class KernelEventKind : std::uint8_t { Fork, Exec, Exit };

// Times are nanoseconds of CLOCK_BOOTTIME; pids are those of the initial pid namespace.
struct KernelEvent {
  KernelEventKind kind = KernelEventKind::Fork;
  std::uint32_t pid = 0;
  std::uint64_t start_ns = 0;  // When the process was forked; 0: this feed cannot tell.
  std::uint64_t time_ns = 0;   // When the event happened.
  std::uint32_t ppid = 0;      // Fork only with the connector; 0: untold.
  std::uint64_t parent_start_ns = 0;
  std::optional<int> exit_code;       // Exit by itself.
  std::optional<int> exit_signal;     // Exit by a signal.
  std::optional<FileKey> image;       // What was executed, without birth time; Exec only.
  pb::ProcessRecord* seen = nullptr;  // What was captured; valid during the call, may be taken. Null: nothing.
};
using KernelEventFn = std::function<void(KernelEvent&)>;

// Since the feed was opened. The kernel side counts `happened` and `dropped`, the reading side `delivered`:
// happened == delivered + dropped once everything was drained.
struct FeedCounts {
  std::uint64_t forks = 0;  // Delivered.
  std::uint64_t execs = 0;
  std::uint64_t exits = 0;
  std::uint64_t happened = 0;    // As counted where they happen; 0: this feed cannot tell.
  std::uint64_t dropped = 0;     // Lost because we were too slow; the connector only knows that some were.
  std::uint64_t overflows = 0;   // Times the kernel said that something was lost.
  std::uint64_t clones = 0;      // Tasks of any kind that came to be, counted by other code; 0: this feed cannot tell.
  std::uint64_t fork_calls = 0;  // Of `clones`, counted by other code: forks that made a process.
  std::uint64_t workers = 0;     // Of `clones`: threads the kernel started for its own work, which are no forks.
  std::uint64_t threads = 0;     // Clones that made a thread: counted, no event.
  std::uint64_t tails_shed = 0;  // Argument lists cut, and environments left out or cut, under pressure.
  std::uint64_t environments_shed = 0;
  std::uint64_t malformed = 0;  // Not understood, and therefore not delivered.
};

class EventFeed {
 public:
  virtual ~EventFeed() = default;
  virtual std::string name() const = 0;  // "bpf", "connector"
  // For a feed that was opened to begin later. Errors as open_feed().
  virtual Result<> begin() { return {}; }
  // Readable when events wait. Owned by the feed.
  virtual int wake_fd() const = 0;
  // Before somebody waits for wake_fd(): until then a feed need not wake anybody.
  virtual void fall_asleep() {}
  // Hands out everything that waits now, in the order it happened per process. Errors: Closed (the facility was taken
  // away), Io. What was lost is in counts().
  virtual Result<> drain(const KernelEventFn& fn) = 0;
  virtual FeedCounts counts() const = 0;
  // Times the kernel did not run our code although it should have: each is something that was neither counted nor seen.
  // Asks the kernel.
  virtual std::uint64_t skipped() const { return 0; }
  // What to leave out from now on; a feed leaves out more by itself while its own way out is filling.
  virtual void shed(Shedding) {}
  // How full the way out was when it was fullest since the last call, 0 to 1. Events still fit; details may not.
  virtual double take_peak_fill() { return 0; }
};

enum class FeedKind : std::uint8_t { Bpf, Connector };

// Implemented per OS. `clock` outlives the feed. Errors: Unsupported, Denied, Invalid (options), Io; each says what is
// missing.
Result<std::unique_ptr<EventFeed>> open_feed(FeedKind kind, const FeedOptions& options, const Clock& clock);

}  // namespace de::collect
