// Short-lived processes that do not exist: fork, exec and exit of each, two thousand a second, as the kernel would
// report them on a machine that builds software. The same every time.
//
// Thread: any; one object belongs to one thread.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "daemoneye/broker.pb.h"
#include "daemoneye/process.pb.h"

namespace de::bench {

class MadeUpLives {
 public:
  explicit MadeUpLives(std::int64_t start_ms);

  // The next `count` events; lives overlap, so that events of several are mixed.
  pb::EventBatch next(std::uint32_t count);
  std::int64_t now_ms() const { return static_cast<std::int64_t>(now_ns_ / 1'000'000) + boot_ms_; }

  struct Program {
    std::string name;
    std::string path;
    std::string hash;
    std::uint64_t inode = 0;
  };
  // From the most used to the least.
  const std::vector<Program>& programs() const { return programs_; }

 private:
  struct Living {
    pb::ProcessRecord record;
    pb::Ancestry ancestry;  // Of its children.
    std::uint64_t start_ns = 0;
  };

  const Program& draw_program();
  std::string new_uid();
  Living child_of(const Living& parent);
  void exec(Living& life);
  void begin(const Living& parent);
  pb::ProcessEvent& queue(const Living& life, const Living& parent, pb::EventType type, std::uint64_t at_ns);

  std::mt19937_64 random_{4242};  // Fixed seed: runs are compared with each other.
  std::int64_t boot_ms_;
  std::uint64_t now_ns_;
  std::uint64_t sequence_ = 0;
  std::uint32_t pid_ = 2000;
  std::vector<Program> programs_;
  std::vector<double> shares_;  // Zipf, added up.
  std::vector<Living> shells_;
  std::vector<pb::ProcessEvent> waiting_;  // A heap by boot time: what happens next first.
};

}  // namespace de::bench
