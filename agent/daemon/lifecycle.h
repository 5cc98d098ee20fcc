// The agent's states: Loading until every expected collector has connected, Ready for the moment in between,
// SteadyState while monitoring. StartupFailed is not an end: a collector that comes late still brings SteadyState.
//
// Thread: io.
#pragma once

#include <cstdint>
#include <string_view>

namespace de::daemon {

enum class State : std::uint8_t { Loading, Ready, SteadyState, StartupFailed, ShuttingDown };

std::string_view to_text(State state);

// The next state, from what is known now.
struct Situation {
  bool all_connected = false;    // Every expected collector has a session.
  bool began = false;            // Monitoring has been started.
  bool startup_overdue = false;  // One has not come within its startup timeout.
  bool stopping = false;
};
State next_state(State state, const Situation& situation);

}  // namespace de::daemon
