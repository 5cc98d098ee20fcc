// The real daemons, a good console that asks them steadily, and room for somebody hostile beside it. As root the three
// are different users; else they are all the same one.
#pragma once

#include <string>
#include <vector>

#include "daemons.h"
#include "hostile_acts.h"

namespace de::system_test {

// Of procmond after its start. Whoever begins during it may be found by it, and then has no event; nobody but the agent
// hears when it is over.
constexpr std::chrono::seconds kFirstScan{4};

// What one act came to.
struct Round {
  std::string act;
  double offered_per_s = 0;     // Messages, or connections where each is one.
  Waits good;                   // Of the good console meanwhile.
  std::uint64_t growth_kb = 0;  // Of the agent; of procmond what it had at most, to be held against a good agent's.
  double cpu_share = 0;         // Of one processor, by the daemon that was attacked.
  double connections_per_s = 0;
};

class HostileStage {
 public:
  HostileStage();
  // Both daemons, or procmond alone.
  void start();
  void start_procmond();
  void start_agent();

  // What the good console waits while nobody is hostile, after a while to get warm.
  Waits ask_undisturbed(std::size_t times);
  // `user` does `act` to a socket of the agent's for so long. `during` is called in the middle.
  Round attack_agent(
      const Act& act, const std::string& socket, const User& user, std::chrono::milliseconds length,
      const std::function<void()>& during = [] {});
  // procmond is started anew and meets `act` where its agent should be: during its first scan and so long after it.
  Round attack_procmond(
      const AgentAct& act, std::chrono::milliseconds length, const std::function<void()>& during = [] {});

  // A program whose exec is to be in the store in the end.
  void start_demo();
  // Those of them that are not; and why not, if that is known.
  std::string not_stored();

  std::string control_socket() const { return host.dir() + "/control.sock"; }
  std::string broker_socket() const { return host.dir() + "/broker.sock"; }
  bool has_users() const { return has_users_; }
  const User& good() const { return good_; }
  const User& hostile() const { return hostile_; }  // May ask, may not collect.
  Host host;

 private:
  std::vector<std::string> account() const;
  std::vector<std::string> requests() const;

  std::vector<std::string> demos_;
  bool has_users_ = false;
  User good_;
  User hostile_;
  User agent_;
};

}  // namespace de::system_test
