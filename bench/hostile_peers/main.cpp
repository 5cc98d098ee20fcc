// What hostile peers cost the others and those they attack: every act of tests/system/hostile_acts.h against the agent
// on both of its sockets and against procmond from where its agent should be, one after the other.
//
//   bench_hostile_peers [SECONDS] [WORD]    so long for each act (default: 5), of those with WORD in their name
//
// "good" is a console of another user that asks up to 125 times a second; its waits without anybody hostile are
// measured before each act. Growth is the most memory of its own (RssAnon) that the attacked daemon had meanwhile,
// above what it had before; of procmond, above the most it had with an agent that keeps to the protocol. Takes root:
// hostile peers are other users. They use up processors themselves; on fewer than four the good console waits for
// those, too.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "health_report.h"
#include "hostile_stage.h"

namespace {

using namespace std::chrono_literals;
using namespace de::system_test;

struct Wanted {
  std::chrono::seconds length;
  std::string word;
  bool has(const char* act) const { return std::string(act).find(word) != std::string::npos; }
};

void print_head(const char* title, const char* attacked) {
  std::printf("\n%s\n%-46s %11s %8s | %8s %8s | %8s %8s %6s | %9s %5s\n", title, "what the peer does", "messages/s",
              "conn/s", "p50", "p99", "p50", "p99", "ratio", attacked, "CPU");
}

void print_row(const Round& round, const Waits& without) {
  const double usual = without.at(0.99);
  std::printf("%-46s %11.0f %8.0f | %8.2f %8.2f | %8.2f %8.2f %6.1f | %+6.1f MB %4.0f%%%s\n", round.act.c_str(),
              round.offered_per_s, round.connections_per_s, without.at(0.5), usual, round.good.at(0.5),
              round.good.at(0.99), usual > 0 ? round.good.at(0.99) / usual : 0,
              static_cast<double>(round.growth_kb) / 1024, round.cpu_share * 100,
              round.good.failures > 0 ? "  good console turned away" : "");
  std::fflush(stdout);
}

// False: a daemon is gone.
bool attack_agent(const char* title, std::span<const Act> acts, bool on_broker, bool as_root, const Wanted& wanted) {
  HostileStage stage;
  stage.start();
  if (!eventually([&] { return is_running_steadily(stage.host); }, 60s)) return false;
  std::this_thread::sleep_for(5s);  // The first hashes.
  print_head(title, "agent");
  for (const Act& act : acts) {
    if (!wanted.has(act.name)) continue;
    const Waits without = stage.ask_undisturbed(static_cast<std::size_t>(wanted.length / 12ms));
    const std::string socket = on_broker ? stage.broker_socket() : stage.control_socket();
    print_row(stage.attack_agent(act, socket, as_root ? User{} : stage.hostile(), wanted.length), without);
    if (!stage.host.agent.is_running() || !stage.host.procmond.is_running()) return false;
  }
  std::printf("procmond: %s\n", read_health(stage.host).detail("collector.procmond").c_str());
  std::printf("control:  %s\n", read_health(stage.host).detail("control").c_str());
  std::printf("refused:  %s\n", read_health(stage.host).detail("collectors.refused").c_str());
  return true;
}

bool attack_procmond(const Wanted& wanted) {
  HostileStage stage;
  print_head("A hostile agent, where procmond dials (nobody else is concerned)", "procmond");
  std::uint64_t usual_kb = 0;
  for (const AgentAct& act : agent_acts()) {
    if (usual_kb != 0 && !wanted.has(act.name)) continue;
    Round round = stage.attack_procmond(act, wanted.length);
    if (usual_kb == 0) usual_kb = round.growth_kb;
    round.growth_kb -= std::min(round.growth_kb, usual_kb);
    print_row(round, Waits{});
    if (!stage.host.procmond.is_running()) return false;
  }
  const auto begin = std::chrono::steady_clock::now();
  stage.start_agent();
  if (!eventually([&] { return is_exact(read_health(stage.host)) && is_running_steadily(stage.host); }, 90s))
    return false;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const HealthReport health = read_health(stage.host);
  std::printf("then a good agent: all events after %.1f s, %s\n", took.count(), health.detail("ingest.events").c_str());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 3 || (argc > 1 && std::atoi(argv[1]) <= 0)) {
    std::fprintf(stderr, "usage: %s [SECONDS] [WORD]\n", argv[0]);
    return 2;
  }
  if (::geteuid() != 0) {
    std::fprintf(stderr, "%s: takes root: hostile peers are other users\n", argv[0]);
    return 1;
  }
  const Wanted wanted{std::chrono::seconds(argc > 1 ? std::atoi(argv[1]) : 5), argc > 2 ? argv[2] : ""};
  std::printf("Waits of a good console in ms, without and with a hostile peer, on %u processors, %lld s for each act\n",
              std::thread::hardware_concurrency(), static_cast<long long>(wanted.length.count()));
  const bool all_live =
      attack_agent("A hostile console, another user that may ask", console_acts(), false, false, wanted) &&
      attack_agent("A hostile collector, a user that may collect", collector_acts(), true, true, wanted) &&
      attack_agent("A hostile collector, a user that may not", collector_acts(), true, false, wanted) &&
      attack_procmond(wanted);
  if (!all_live) std::printf("A DAEMON IS GONE, or not at work\n");
  return all_live ? 0 : 1;
}
