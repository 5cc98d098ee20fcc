// The agent's side of the control socket, played from a script on a thread of its own.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "daemoneye/control.pb.h"

namespace de::console {

class FakeAgent {
 public:
  struct Script {
    std::vector<pb::ControlReply> replies;
    std::string raw{};                   // Sent after them as a frame of its own.
    bool endless = false;                // Repeats the last reply until the console leaves.
    std::chrono::milliseconds after{0};  // Thinks that long first.
  };

  // Answers the n-th connection with the n-th script and closes it; further ones are closed at once.
  FakeAgent(const std::string& socket, std::deque<Script> scripts);
  ~FakeAgent();

  // What was asked. Ends the agent's thread first.
  const std::vector<pb::ControlRequest>& requests();

 private:
  void stop();

  boost::asio::io_context io_;
  std::vector<pb::ControlRequest> requests_;
  std::thread thread_;
};

pb::ControlReply header(const std::vector<std::string>& columns);
pb::ControlReply page(const std::vector<std::vector<std::string>>& rows);
pb::ControlReply trailer(pb::Status status, const std::string& message);
pb::ControlReply degraded(const std::string& reason, const std::string& collector, const std::string& detail);

}  // namespace de::console
