// While alive, SIGINT and SIGTERM end what is being done instead of the program, so that it can tidy up.
//
// Thread: main. One at a time.
#pragma once

#include <csignal>

namespace de::console {

class StopOnSignal {
 public:
  StopOnSignal();
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

  static bool is_asked();

 private:
  struct sigaction interrupt_ {};
  struct sigaction terminate_ {};
};

}  // namespace de::console
