// The write-ahead log between what the collector saw and what the agent has committed. Events get their sequence
// number here; they leave the disk when the agent acknowledged them, or when the size cap sheds the oldest, which is
// then reported as a Gap with exact numbers.
//
// Losing nothing silently is the contract: every number that was given out is either read back as an event or lies in
// a Gap, also after kill -9, a full disk, damaged files and a power cut. The last is why numbers are reserved before
// they are given out: what was published may not be on the disk yet, and none of it is ever a number twice.
//
// Thread: io, single owner.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"
#include "daemoneye/broker.pb.h"
#include "spool/outgoing.h"
#include "spool/record_index.h"
#include "spool/segment.h"
#include "spool/state_file.h"

namespace de::spool {

constexpr std::uint64_t kReservedNumbers = 4'096;  // At a time; the most that a power cut leaves in doubt.
// Of segments and state; another one with every change that an older procmond could not read.
constexpr std::uint32_t kSpoolFormat = 2;
constexpr std::uint64_t kMinSegmentBytes = 4 * 1024;
constexpr std::uint64_t kMaxSegmentBytes = 16 * 1024 * 1024;  // A segment is read whole when the spool opens.

struct SpoolOptions {
  std::string dir;                             // Created with mode 0700 if missing.
  std::uint64_t max_bytes = 64 * 1024 * 1024;  // All segments together; at least two segments.
  std::uint64_t segment_bytes = 1024 * 1024;   // When the next one is started.
  std::string boot_id;                         // Of the running kernel; empty: every start could follow a power cut.
};

// appended == written + refused. Counted since open() unless said otherwise.
struct SpoolCounts {
  std::uint64_t appended = 0;  // Events given a sequence number.
  std::uint64_t written = 0;
  std::uint64_t refused = 0;          // Not written: no room, a failed write, too large.
  std::uint64_t shed = 0;             // Lost before they were acknowledged: refused, size cap, failed sync.
  std::uint64_t damaged_regions = 0;  // Places in segments that could not be read.
  std::uint64_t torn_bytes = 0;       // Interrupted last write cut away by open().
  std::uint64_t write_failures = 0;
  std::uint64_t sync_failures = 0;
  std::uint64_t state_failures = 0;  // The watermark could not be stored; it is tried again.
  std::uint64_t segments = 0;        // Now.
  std::uint64_t bytes = 0;           // Now, in segments.
};

class Spool {
 public:
  // Opens or creates a spool and recovers it: cuts a torn tail, skips damage, finds the last sequence.
  // Errors: Conflict (another procmond has it), Invalid (options, or something that is no regular file), Exhausted,
  // NotFound, Denied, Io.
  static Result<std::unique_ptr<Spool>> open(const SpoolOptions& options, const Clock& clock);
  ~Spool();

  // Gives every event its `sequence` and writes them. On an error those that could not be written are lost, counted,
  // and will be read back as a Gap; the spool stays usable. One event beyond kMaxEventBytes is lost the same way, but
  // is no error. Errors: Exhausted (no room on the disk), Io.
  Result<> append(const EncodedEvents& events);

  // Gives out `count` numbers to events that are known to have happened but never reached us: they come back as a Gap.
  void append_lost(std::uint64_t count, std::int64_t from_ms, std::int64_t to_ms);

  // For a timer: sync(), when events that were here at the call before are neither acknowledged nor on the disk.
  Result<> sync_what_waits();

  // Everything appended is on the disk afterwards. Errors: Exhausted, Io; then what was appended since the last sync
  // is lost as a Gap.
  Result<> sync();

  // What follows `sequence`, in order: batches of at most kMaxBatchEvents events and 3.5 MB, and gaps. Ends after
  // `max_events` events or 8 MB. Numbers at or below the watermark are not read again. Errors: Io.
  Result<std::vector<Outgoing>> read_after(std::uint64_t sequence, std::size_t max_events);

  // Everything up to `sequence` is committed elsewhere. Smaller than before changes nothing.
  // Errors: Invalid (never given out).
  Result<> acknowledge(std::uint64_t sequence);

  const std::string& spool_id() const { return state_.spool_id; }
  std::uint64_t last_sequence() const { return state_.last_sequence; }
  std::uint64_t acked_sequence() const { return state_.acked; }
  // Bytes that still wait for an acknowledgement, as a part of max_bytes: 0..1.
  double fill() const;
  SpoolCounts counts() const;

 private:
  struct Segment {
    std::uint32_t number = 0;
    std::uint64_t bytes = 0;
    std::uint64_t first_sequence = 0;
    std::int64_t from_ms = 0;
    std::int64_t to_ms = 0;
    std::int64_t created_ms = 0;
    RecordIndex records;

    std::uint64_t last_sequence() const { return records.empty() ? first_sequence - 1 : records.last_sequence(); }
  };
  struct Chunk;  // Records about to be written.
  struct Place;  // Where a record is: segment, run, and how many of the run come before it.

  Spool(SpoolOptions options, const Clock& clock, UniqueFd dir, StateFile state_file);

  // recovery.cpp
  Result<> recover();
  Result<> adopt_id(const std::vector<std::uint32_t>& numbers);
  Result<> load_segment(std::uint32_t number, bool is_newest);
  Result<> resume();
  void skip_what_is_in_doubt();

  // spool.cpp
  Result<> reserve(std::uint64_t count);
  Result<> flush(Chunk& chunk);
  Result<> make_room(std::uint64_t bytes);
  Result<> shed_oldest();
  Result<> rotate();
  Result<> sync_records();
  Result<> sync_before();
  Result<UniqueFd> next_file(std::uint32_t number);
  SegmentHeader header_of(const Segment& segment) const;
  Result<> write_active(std::string_view bytes);
  void lose(std::uint64_t first, std::uint64_t last, std::int64_t from_ms, std::int64_t to_ms, LossReason reason);
  void lose_unsynced(Segment& segment, int fd, std::uint64_t synced, LossReason reason);
  void forget_acknowledged();
  void remove_front();
  void drop_front();
  void remove_spare();
  Result<> save(bool durable);

  // read.cpp
  Place find_after(std::uint64_t sequence) const;
  Place find_before(std::uint64_t sequence) const;
  pb::Gap gap_after(std::uint64_t sequence, const Place& next);
  Result<Outgoing> read_batch(const Place& place, std::size_t max_events, std::size_t& bytes);
  std::int64_t event_time(const Place& place) const;
  void index_again(Segment& segment);
  Result<std::string> read_segment(const Segment& segment, std::uint64_t offset, std::size_t bytes) const;

  const SpoolOptions options_;
  const Clock& clock_;
  const UniqueFd dir_;
  StateFile state_file_;
  SpoolState state_;
  bool state_dirty_ = false;  // state_ has losses that are not durable yet.
  std::uint32_t seed_ = 0;
  std::deque<Segment> segments_;  // Oldest first; the last one is written to once open() has succeeded.
  UniqueFd active_;
  std::uint64_t synced_bytes_ = 0;  // Of the active segment.
  UniqueFd before_;                 // The segment before it, when that is neither synced nor acknowledged.
  std::uint64_t before_synced_bytes_ = 0;
  bool is_dir_synced_ = false;
  std::uint64_t spare_bytes_ = 0;  // Of the file to be used again; 0: there is none.
  // Where the latest batch ended: the next one usually begins there, in the middle of a run.
  struct Cursor {
    std::uint32_t segment = 0;  // None has this number.
    std::uint64_t sequence = 0;
    std::uint32_t offset = 0;
  };
  Cursor cursor_;
  // What was written last, as it usually is read next; of the active segment.
  std::string tail_;
  std::uint64_t tail_offset_ = 0;
  std::uint64_t looked_at_ = 0;  // The last sequence when sync_what_waits() was called before.
  bool sealed_ = false;          // The active segment's tail is not trusted any more: the next write rotates.
  SpoolCounts counts_;
};

}  // namespace de::spool
