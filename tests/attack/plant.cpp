// Planted into the programs of test builds: with DE_ATTACK=DIR:PID:PORT in the environment, a process of ours tries
// every act once it has confined itself, and says to its standard error what became of each.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "acts.h"
#include "daemoneye/base/fault.h"

// The search for leaks traces the process at its end, which a confined one cannot be.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

namespace de::fault {

void attack(const char* process) {
  const char* set = std::getenv("DE_ATTACK");
  if (set == nullptr) return;
  attack::Target target;
  const std::string text = set;
  const auto first = text.find(':'), second = text.find(':', first + 1);
  if (second == text.npos) return;
  target.dir = text.substr(0, first);
  target.victim = std::atoi(text.c_str() + first + 1);
  target.port = static_cast<std::uint16_t>(std::atoi(text.c_str() + second + 1));
  for (const attack::Act& act : attack::acts()) {
    const int error = act.run(target);
    std::fprintf(stderr, "attack|%s|%s|%s\n", process, act.name, error == 0 ? "worked" : strerrorname_np(error));
  }
  std::fprintf(stderr, "attack|%s|done|\n", process);
}

}  // namespace de::fault
