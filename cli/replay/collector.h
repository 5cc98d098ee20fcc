// A collector of recorded events, as the agent sees it: it dials the broker socket, greets, publishes and is told what
// was taken. Only an agent that was started with --replay lets it in; that agent acknowledges what its rules have
// looked at.
//
// Thread: any; one owner at a time, which waits while a thread of its own talks to the agent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/process.pb.h"

namespace de::replay {

class Collector {
 public:
  // Errors: those of link::dial; Denied with the agent's reason, Corrupt, Timeout.
  static Result<std::unique_ptr<Collector>> connect(const std::string& broker_socket);
  ~Collector();  // Leaves.
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Events in the order of their sequences, which go on from those before. Waits while too many are on their way.
  // Errors: why the session ended.
  Result<> publish(std::vector<pb::ProcessEvent> events);
  // That somebody looked at `time_ms` and saw no process: rules that look back are asked as of such moments. Counts as
  // taken with the events that are published after it.
  Result<> publish_look(std::int64_t time_ms);
  // Waits until all were looked at. Errors: why the session ended.
  Result<> settle();

 private:
  struct Session;
  explicit Collector(std::unique_ptr<Session> session);
  Result<> enqueue(pb::Envelope message, std::uint64_t last_sequence);

  std::unique_ptr<Session> session_;
  std::uint64_t looks_ = 0;
};

}  // namespace de::replay
