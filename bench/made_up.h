// A host that does not exist: processes that look like real ones and change like real ones. The same every time.
//
// Thread: any; one host belongs to one thread.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/broker.pb.h"
#include "daemoneye/process.pb.h"

namespace de::bench {

class MovingClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = 1'767'225'600'000;  // A midnight: the runs stay within one day of the store.
};

class MadeUpHost {
 public:
  explicit MadeUpHost(std::uint32_t processes);

  const std::vector<pb::ProcessRecord>& processes() const { return processes_; }

  // Some time later: of a thousand processes `changed` used CPU and memory, two were replaced by new ones.
  void tick(std::int64_t now_ms, unsigned changed);

  // Starts and exits of short-lived processes, sequence numbers from `first_sequence` on.
  pb::EventBatch events(std::uint32_t count, std::uint64_t first_sequence, std::int64_t now_ms);

 private:
  pb::ProcessRecord make(std::uint32_t pid, std::int64_t start_ms);

  std::mt19937 random_{4242};  // Fixed seed: runs are compared with each other.
  std::uint64_t born_ = 0;
  std::vector<pb::ProcessRecord> processes_;
};

// A directory for a store: below DE_BENCH_DIR or /tmp, gone afterwards.
class ScratchDir {
 public:
  ScratchDir();
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace de::bench
