#include "daemon/lifecycle.h"

namespace de::daemon {

std::string_view to_text(State state) {
  switch (state) {
    case State::Loading:
      return "Loading";
    case State::Ready:
      return "Ready";
    case State::SteadyState:
      return "SteadyState";
    case State::StartupFailed:
      return "StartupFailed";
    case State::ShuttingDown:
      return "ShuttingDown";
  }
  return "ShuttingDown";
}

State next_state(State state, const Situation& situation) {
  if (situation.stopping || state == State::ShuttingDown) return State::ShuttingDown;
  switch (state) {
    case State::Loading:
    case State::StartupFailed:
      if (situation.all_connected) return State::Ready;
      return situation.startup_overdue ? State::StartupFailed : state;
    case State::Ready:
      return situation.began ? State::SteadyState : state;
    case State::SteadyState:  // A collector that leaves later degrades answers; it does not undo the start.
    case State::ShuttingDown:
      return state;
  }
  return state;
}

}  // namespace de::daemon
