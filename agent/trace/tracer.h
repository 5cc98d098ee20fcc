// Which processes are traced at present, and what is to be read of them next. A trace begins with a match of a rule
// that asks for one; it is about the process and, as they come, its descendants; it ends by itself. All of it is
// bounded: traces at a time, readings of one trace, and of one process never two readings wait.
//
// Thread: io.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/control.pb.h"
#include "detect/rule.h"

namespace de::trace {

struct Limits {
  std::size_t traces = 16;     // At a time.
  std::size_t readings = 256;  // Of one trace.
};

struct Counts {
  std::uint64_t begun = 0;
  std::uint64_t same = 0;      // Matches on what the same rule traces already.
  std::uint64_t unknown = 0;   // Matches that do not say which process; nothing was begun.
  std::uint64_t refused = 0;   // There were too many at a time.
  std::uint64_t readings = 0;  // Handed out.
  std::uint64_t shed = 0;      // Beyond those that one trace may have.
  std::uint64_t unstored = 0;  // Read, and lost because they could not be stored.
};

struct Subject {
  std::uint32_t pid = 0;
  std::string process_uid;  // 16 raw bytes.
};

struct Trace {
  std::string id;
  std::string rule_id;
  std::string alert_id;
  detect::TraceOrder order;
  Subject root;
  std::int64_t until_ns = 0;
};

struct Reading {
  std::shared_ptr<const Trace> trace;
  Subject subject;
  const char* reason = "";  // As pb::Capture has it.
  bool is_last = false;     // The trace may read nothing more.
};

class Tracer {
 public:
  // `clock` outlives the tracer.
  Tracer(const Clock& clock, Limits limits) : clock_(clock), limits_(limits) {}

  // `rule` has a trace, and matched `subject`. Null when none begins: counts() say why.
  std::shared_ptr<const Trace> begin(const detect::Rule& rule, const std::string& alert_id, Subject subject);
  // Somebody who descended from its process before it began. Of a trace that is over nothing happens.
  void add_descendant(const Trace& trace, Subject subject);
  // What happened since.
  void take(const pb::EventBatch& events);

  // The oldest that wait.
  std::vector<Reading> pop(std::size_t most);
  void count_unstored() { ++counts_.unstored; }
  bool is_waiting() const { return !waiting_.empty(); }
  std::size_t active();
  const Counts& counts() const { return counts_; }
  // ResourceLimit while what was to be read is not.
  std::vector<pb::Reason> reasons();

 private:
  struct Active {
    std::shared_ptr<const Trace> trace;
    std::unordered_map<std::string, std::uint32_t> members;  // By process_uid: the pid.
    std::size_t readings = 0;
    bool is_full = false;
  };
  void end_old();
  void take(const pb::ProcessEvent& event);
  void read(Active& of, const Subject& subject, const char* reason);

  const Clock& clock_;
  const Limits limits_;
  std::vector<Active> active_;
  std::deque<Reading> waiting_;
  std::optional<std::int64_t> refused_until_ns_;  // Some were; told for a while.
  Counts counts_;
};

}  // namespace de::trace
