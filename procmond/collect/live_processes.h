// The one model of the processes that are alive. What the kernel says and what a scan finds both go through it and come
// out as one stream of events that never contradicts itself: a scan resurrects nobody whose end was seen, doubles
// nobody whose start was seen, and ends nobody who began while it was running.
//
// A process is its process_uid, not its pid: a reused pid is an exit and a start. Per process one compact record is
// kept, so that an exit can still say what it was. What was captured at exec stays: a scan's command line is a claim
// beside it.
//
// Thread: collector.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "collect/event_feed.h"
#include "collect/lineage.h"
#include "collect/text_pool.h"
#include "collect/told_events.h"
#include "daemoneye/process.pb.h"

namespace de::collect {

struct DiffOptions {
  double memory_change_percent = 0;  // 0: memory_usage never makes a modified event.
  double cpu_change_percent = 0;     // The same for cpu_usage, in points.
};

struct BootFacts {
  std::string boot_id;
  std::int64_t time_ms = 0;  // Unix time of CLOCK_BOOTTIME 0.
};

struct ModelCounts {
  std::uint64_t told = 0;           // Events of the feed that became events of ours.
  std::uint64_t forks_known = 0;    // A scan had seen the process before its fork was read.
  std::uint64_t unidentified = 0;   // Events of a process that nobody could name any more.
  std::uint64_t ends_unknown = 0;   // Of processes that nobody had told us about.
  std::uint64_t missed_starts = 0;  // With a feed: what only a scan told. Each is a loss.
  std::uint64_t missed_execs = 0;
  std::uint64_t missed_exits = 0;
};

class LiveProcesses {
 public:
  // `texts` outlives the model, which keeps in it what it remembers.
  LiveProcesses(DiffOptions options, TextPool& texts) : options_(options), texts_(texts) {}

  void set_boot(BootFacts boot) { boot_ = std::move(boot); }
  // From now on starts, execs and exits are told by the kernel; a scan only finds what was missed.
  void set_fed(bool fed) { fed_ = fed; }

  // live_events.cpp: gives the record of an event what the event itself says: who and when. Before apply().
  void identify(KernelEvent& event) const;
  // One event of a feed. `event.seen` must be there; it is taken apart.
  void apply(KernelEvent& event, ToldEvents& told);

  // A scan: begin, observe once per record, finish, with the same `events`, which may already hold others; kernel
  // events may come in between. A scan that failed is left without finish(): it ends no process.
  // `now_ns` is CLOCK_BOOTTIME.
  void begin(std::int64_t now_ms, const EventList& events, std::uint64_t now_ns = 0);
  // False: the process has ended since it was read and is no part of the snapshot. Otherwise the record may have been
  // changed to what is known better.
  bool observe(pb::ProcessRecord& record, EventList& events);
  // Is nothing new to be expected of this process when its source says that it is as before? Then same() may be called.
  bool has_observed(const pb::ProcessRecord& record) const;
  // For a record that says only who it is, what it uses, and perhaps its hash: adds all that is known.
  void same(pb::ProcessRecord& record, EventList& events);
  // Adds the exits and fills in the parents of the events of the scan. `on_record` gets those that began while the scan
  // was running and are not in it.
  void finish(
      EventList& events, const std::function<void(pb::ProcessRecord&)>& on_record = [](pb::ProcessRecord&) {});

  bool knows(const pb::ProcessRecord& record) const { return find(record.pid(), record.process_uid()) != nullptr; }
  // After an event so large that its memory is not to be kept for the next one.
  void drop_scratch() { before_ = parent_ = rest_ = arguments_ = pb::ProcessRecord(); }
  std::size_t tracked() const { return known_.size(); }
  const ModelCounts& counts() const { return counts_; }
  void forget_counts() { counts_ = {}; }  // A new feed starts counting anew.

 private:
  static constexpr std::uint32_t kUntold = UINT32_MAX;
  using Uid = std::array<char, 16>;
  struct UidHash {
    std::size_t operator()(const Uid& uid) const;
  };
  // What the latest child of `parent` got from it when that was `rest` and the kernel said `owner` about the child: its
  // siblings get the same.
  struct Inherited {
    Uid parent{};
    TextPool::Ref rest, owner, childs_rest;
  };
  struct Known {
    Uid uid{};
    Uid parent_uid{};
    std::int64_t start_ms = 0;
    std::int64_t memory = -1;   // Bytes and percent when last reported as modified; -1 when unknown.
    std::uint64_t told_ns = 0;  // When the kernel last told a fork or exec of it; 0: never.
    std::uint64_t pidfs_inode = 0;
    float cpu = -1;
    std::uint32_t sweep = 0;  // When it was last observed.
    std::uint32_t exec_seq = 0;
    std::uint32_t scan_exec_seq = 0;  // What the scan last counted itself.
    std::uint32_t ppid = kUntold;
    std::uint32_t session_id = kUntold;
    std::uint32_t pgid = kUntold;
    // One of these exists per process: packed.
    bool captured : 1 = false;   // The image and arguments are what the kernel saw at exec.
    bool observed : 1 = false;   // By a scan, since the kernel last told something.
    bool exec_told : 1 = false;  // Since it was last observed.
    bool exec_doubtful = false;  // A scan saw an exec that nobody has told yet.
    bool missed = false;         // Counted as a missed start; not for ever, its fork may only be late.
    bool unbegun = false;        // Of the first scan, which tells no starts; a fork that is read late still does.
    TextPool::Ref name;
    TextPool::Ref arguments;  // Serialised ProcessRecord of nothing else: the source remembers the same text.
    TextPool::Ref rest;       // Serialised ProcessRecord: image, owner, place; the same for many processes.
    Lineage lineage;          // Whom it descends from.
    Lineage node;             // Itself as an ancestor, once it has a child.
  };

  void remember(const pb::ProcessRecord& record, Known& known);
  static void drop_own_and_passing(pb::ProcessRecord& record);
  static void remember_own(const pb::ProcessRecord& record, Known& known);
  static void recall_own(std::uint32_t pid, const Known& known, pb::ProcessRecord& record);
  static void recall(std::uint32_t pid, const Known& known, pb::ProcessRecord& record);
  void end_unseen(std::uint32_t pid, EventList& events);
  const Known* find(std::uint32_t pid, std::string_view uid) const;
  pb::ProcessEvent& add(pb::EventType type, const pb::ProcessRecord& record, EventList& events);
  void fill_parent(pb::ProcessEvent& event, const Known* self);
  const Known* parent_of(const pb::ProcessRecord& record) const;
  const Lineage& node_of(std::uint32_t pid, Known& known);
  void link(Known& known, std::uint32_t depth = 0);

  // live_events.cpp
  std::int64_t to_ms(std::uint64_t boot_ns) const;
  void fork(const KernelEvent& event, ToldEvents& told);
  void exec(const KernelEvent& event, ToldEvents& told);
  void exit(const KernelEvent& event, ToldEvents& told);
  Inherited& inherited_from(const Known& parent) { return inherited_[UidHash()(parent.uid) % kInherited]; }
  bool inherit(const pb::ProcessRecord& seen, const Known& parent, Known& child);
  void derive(const pb::ProcessRecord& seen, std::uint32_t parent_pid, const Known& parent, Known& child);
  pb::ProcessEvent& tell_in_parts(pb::EventType type, const KernelEvent& cause, const Known& known, ToldEvents& told);
  void tell_parents(ToldEvents& told, const Known* known);
  void stamp(pb::ProcessEvent& event, const KernelEvent& cause);
  Known& make_room(const KernelEvent& event, ToldEvents& told);
  void note_end(const Uid& uid);

  // live_changes.cpp
  void add_exit(std::uint32_t pid, const Known& known, EventList& events);
  void add_suspicion(const pb::ProcessRecord& record, const char* reason, pb::Severity severity, EventList& events);
  void add_start(const pb::ProcessRecord& record, EventList& events);
  void add_changes(const pb::ProcessRecord& now, Known& known, EventList& events);
  void note_metrics(const pb::ProcessRecord& now, Known& known, std::vector<const char*>& fields) const;
  void judge_age(const pb::ProcessRecord& record, EventList& events);
  void judge_claim(const pb::ProcessRecord& now, EventList& events);
  void keep_evidence(pb::ProcessRecord& now, Known& known);
  void keep_model(pb::ProcessRecord& now, const Known& known);
  void compare(pb::ProcessRecord& record, Known& known, EventList& events);
  void observe_told(pb::ProcessRecord& record, Known& known, EventList& events);

  const DiffOptions options_;
  TextPool& texts_;
  LineageTexts lineage_texts_;
  static constexpr std::size_t kInherited = 64;
  std::array<Inherited, kInherited> inherited_;  // Of those that forked lately, by their uid.
  BootFacts boot_;
  std::unordered_map<std::uint32_t, Known> known_;  // By pid; bounded by the processes alive.
  // Ends and replaced processes of this sweep, kept until finish() for their children's events.
  std::vector<std::pair<std::uint32_t, Known>> replaced_;
  // The latest ends that the kernel told; a scan may have read those processes just before.
  static constexpr std::size_t kMaxEnded = 8'192;
  std::unordered_set<Uid, UidHash> ended_;
  std::deque<Uid> ended_order_;
  pb::ProcessRecord before_, parent_, rest_, arguments_;  // Scratch, so that a steady sweep allocates next to nothing.
  std::string text_;
  std::int64_t now_ms_ = 0;
  std::uint64_t scan_began_ns_ = 0;
  std::uint32_t sweep_ = 0;
  bool primed_ = false;  // A sweep was finished: from now on differences are events.
  bool fed_ = false;
  bool scanning_ = false;
  int first_event_ = 0;
  ModelCounts counts_;
};

}  // namespace de::collect
