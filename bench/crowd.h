// Thousands of real processes that do nothing, for as long as the object lives.
//
// Thread: one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

namespace de::bench {

class Crowd {
 public:
  // Returns when all of them run. `started()` says whether that worked.
  explicit Crowd(std::uint32_t processes);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  bool started() const { return started_; }

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
  bool started_ = false;
};

// How many processes the host has now.
std::uint32_t live_processes();

// CPU time all threads of a process have used; zero when it is gone.
std::chrono::nanoseconds cpu_time(pid_t pid);

struct Memory {
  double private_mb = 0;   // Without `buffers_mb`.
  double buffers_mb = 0;   // The kernel's own that are mapped, as the ring of events is.
  double resident_mb = 0;  // Everything.
};

// From smaps; zeros when it cannot be read.
Memory memory_of(pid_t pid);

}  // namespace de::bench
