// What hostile peers do, one table for each side they attack from. tests/system/hostile_*_test.cpp says what must come
// of it, bench/hostile_peers what it costs.
#pragma once

#include <span>
#include <string>

#include "hostile_peer.h"

namespace de::system_test {

// Against a daemon that listens, until `end`: the agent.
struct Act {
  const char* name;
  void (*run)(const std::string& socket, Tally& tally, Deadline end);
};
std::span<const Act> console_acts();
std::span<const Act> collector_acts();

// Against procmond, which has dialled: one session. The first keeps to the protocol. It ends when `serve` returns, and
// procmond may come again.
struct AgentAct {
  const char* name;
  void (*serve)(Wire& wire, Tally& tally, Deadline end);
};
std::span<const AgentAct> agent_acts();
// Plays the agent on `listener` for so long, from when procmond first dials.
void play_agent(WireListener& listener, const AgentAct& act, Tally& tally, std::chrono::milliseconds length);

// Requests a console may send.
std::string health_request();
std::string query_request(const std::string& sql);
// How a collector begins.
std::string hello_request(const std::string& id, const std::string& token = "0123456789abcdef0123456789abcdef");

}  // namespace de::system_test
