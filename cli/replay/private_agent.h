// An agent of one's own for the length of one replay: started from the program beside this one, on a directory that is
// made for it and removed after it.
//
// Thread: main. Blocks.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::replay {

struct RuleFile {
  std::string name;
  std::string text;
};

class PrivateAgent {
 public:
  // Returns once it listens. Errors: NotFound (there is no agent's program), Timeout, Io, Invalid with what the agent
  // said when it ended instead.
  static Result<std::unique_ptr<PrivateAgent>> start(const std::vector<RuleFile>& rules);
  ~PrivateAgent();
  PrivateAgent(const PrivateAgent&) = delete;
  PrivateAgent& operator=(const PrivateAgent&) = delete;

  std::string broker_socket() const { return dir_ + "/state/broker.sock"; }
  std::string control_socket() const { return dir_ + "/state/control.sock"; }
  // What it last wrote to its log, for an error.
  std::string last_words() const;

 private:
  explicit PrivateAgent(std::string dir) : dir_(std::move(dir)) {}
  Result<> lay_out(const std::vector<RuleFile>& rules) const;
  Result<> spawn(const std::string& program);
  Result<> wait_until_it_listens();
  bool has_ended();

  const std::string dir_;
  pid_t pid_ = -1;  // -1: none runs.
};

}  // namespace de::replay
