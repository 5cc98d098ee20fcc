// Turns the difference between two sweeps into events: start, exit, modified, suspicious.
//
// A process is its process_uid, not its pid: a reused pid is an exit and a start. The first sweep makes no events. Per
// process one compact record is kept, so that an exit can still say what it was.
//
// Thread: collector.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemoneye/process.pb.h"

namespace de::collect {

struct DiffOptions {
  double memory_change_percent = 0;  // 0: memory_usage never makes a modified event.
  double cpu_change_percent = 0;     // The same for cpu_usage, in points.
};

class ProcessDiff {
 public:
  explicit ProcessDiff(DiffOptions options) : options_(options) {}

  // begin, observe once per record, finish. A sweep that failed is left without finish(): it ends no process.
  void begin(std::int64_t now_ms);
  void observe(const pb::ProcessRecord& record, std::vector<pb::ProcessEvent>& events);
  // Adds the exits and fills in the parents of the events since begin().
  void finish(std::vector<pb::ProcessEvent>& events);

  std::size_t tracked() const { return known_.size(); }

 private:
  struct Known {
    std::string uid;         // 16 bytes.
    std::string parent_uid;  // 16 bytes, or empty.
    std::string record;      // Serialised, without what changes all the time.
    std::int64_t start_ms = 0;
    std::uint32_t sweep = 0;  // When it was last observed.
  };
  void remember(const pb::ProcessRecord& record, Known& known);
  pb::ProcessEvent& add(pb::EventType type, const pb::ProcessRecord& record, std::vector<pb::ProcessEvent>& events);
  void add_exit(const Known& known, std::vector<pb::ProcessEvent>& events);
  void add_changes(const pb::ProcessRecord& before, const pb::ProcessRecord& now,
                   std::vector<pb::ProcessEvent>& events);
  void add_suspicion(const pb::ProcessRecord& record, const char* reason, pb::Severity severity,
                     std::vector<pb::ProcessEvent>& events);
  void fill_parent(pb::ProcessEvent& event);

  const DiffOptions options_;
  std::unordered_map<std::uint32_t, Known> known_;  // By pid; bounded by the processes alive.
  pb::ProcessRecord before_;                        // Scratch.
  std::int64_t now_ms_ = 0;
  std::uint32_t sweep_ = 0;
  std::size_t first_event_ = 0;
};

}  // namespace de::collect
