// Turns the difference between two sweeps into events: start, exit, modified, suspicious.
//
// A process is its process_uid, not its pid: a reused pid is an exit and a start. The first sweep makes no events. Per
// process one compact record is kept, so that an exit can still say what it was.
//
// Thread: collector.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "collect/text_pool.h"
#include "daemoneye/process.pb.h"

namespace de::collect {

struct DiffOptions {
  double memory_change_percent = 0;  // 0: memory_usage never makes a modified event.
  double cpu_change_percent = 0;     // The same for cpu_usage, in points.
};

class ProcessDiff {
 public:
  // `texts` outlives the diff, which keeps in it what it remembers.
  ProcessDiff(DiffOptions options, TextPool& texts) : options_(options), texts_(texts) {}

  // begin, observe once per record, finish, with the same `events`, which may already hold others. A sweep that failed
  // is left without finish(): it ends no process.
  void begin(std::int64_t now_ms, const std::vector<pb::ProcessEvent>& events);
  void observe(const pb::ProcessRecord& record, std::vector<pb::ProcessEvent>& events);
  // Adds the exits and fills in the parents of the events since begin().
  void finish(std::vector<pb::ProcessEvent>& events);

  std::size_t tracked() const { return known_.size(); }

 private:
  static constexpr std::uint32_t kUntold = UINT32_MAX;
  struct Known {
    std::array<char, 16> uid{};
    std::array<char, 16> parent_uid{};
    std::int64_t start_ms = 0;
    std::int64_t memory = -1;  // Bytes and percent when last reported as modified; -1 when unknown.
    float cpu = -1;
    std::uint32_t sweep = 0;  // When it was last observed.
    std::uint32_t exec_seq = 0;
    std::uint32_t ppid = kUntold;
    std::uint32_t session_id = kUntold;
    std::uint32_t pgid = kUntold;
    TextPool::Ref name;
    TextPool::Ref arguments;  // Serialised ProcessRecord of nothing else: the source remembers the same text.
    TextPool::Ref rest;       // Serialised ProcessRecord: image, owner, place; the same for many processes.
  };
  void remember(const pb::ProcessRecord& record, Known& known);
  static void recall(std::uint32_t pid, const Known& known, pb::ProcessRecord& record);
  pb::ProcessEvent& add(pb::EventType type, const pb::ProcessRecord& record, std::vector<pb::ProcessEvent>& events);
  void add_exit(std::uint32_t pid, const Known& known, std::vector<pb::ProcessEvent>& events);
  void add_suspicion(const pb::ProcessRecord& record, const char* reason, pb::Severity severity,
                     std::vector<pb::ProcessEvent>& events);
  void add_start(const pb::ProcessRecord& record, std::vector<pb::ProcessEvent>& events);
  void add_changes(const pb::ProcessRecord& now, Known& known, std::vector<pb::ProcessEvent>& events);
  void note_metrics(const pb::ProcessRecord& now, Known& known, std::vector<const char*>& fields) const;
  void judge_age(const pb::ProcessRecord& record, std::vector<pb::ProcessEvent>& events);
  const Known* parent_of(const pb::ProcessRecord& record) const;
  void fill_parent(pb::ProcessEvent& event);

  const DiffOptions options_;
  TextPool& texts_;
  std::unordered_map<std::uint32_t, Known> known_;  // By pid; bounded by the processes alive.
  // Ends and replaced processes of this sweep, kept until finish() for their children's events.
  std::vector<std::pair<std::uint32_t, Known>> replaced_;
  pb::ProcessRecord before_, parent_, rest_, arguments_;  // Scratch, so that a steady sweep allocates next to nothing.
  std::string text_;
  std::int64_t now_ms_ = 0;
  std::uint32_t sweep_ = 0;
  bool primed_ = false;  // A sweep was finished: from now on differences are events.
  std::size_t first_event_ = 0;
};

}  // namespace de::collect
