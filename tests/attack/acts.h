// What somebody who has taken over one of our processes would try next. Each act really tries, and undoes what it did.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>

namespace de::attack {

// Prepared by whoever wants to see the acts fail or succeed.
struct Target {
  std::string dir;         // Anybody may write to it. In it: `victim` (anybody may write), `secret` (root's, 0600).
  pid_t victim = 0;        // A process.
  std::uint16_t port = 0;  // On loopback; somebody listens, TCP and UDP.
};

struct Act {
  const char* name;
  int (*run)(const Target& target);  // 0: it worked. Otherwise errno.
  // The act reads what CAP_SYS_PTRACE or CAP_DAC_READ_SEARCH let one read.
  bool is_reading = false;
};

std::span<const Act> acts();

}  // namespace de::attack
