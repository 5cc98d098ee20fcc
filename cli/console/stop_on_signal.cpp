#include "console/stop_on_signal.h"

namespace de::console {
namespace {

// Set by the handler, which can reach nothing else.
volatile std::sig_atomic_t asked_to_stop = 0;

void on_signal(int) { asked_to_stop = 1; }

}  // namespace

StopOnSignal::StopOnSignal() {
  asked_to_stop = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;  // Without SA_RESTART: a pause ends at once.
  ::sigaction(SIGINT, &action, &interrupt_);
  ::sigaction(SIGTERM, &action, &terminate_);
}

StopOnSignal::~StopOnSignal() {
  ::sigaction(SIGINT, &interrupt_, nullptr);
  ::sigaction(SIGTERM, &terminate_, nullptr);
}

bool StopOnSignal::is_asked() { return asked_to_stop != 0; }

}  // namespace de::console
