#include "hostile_stage.h"

#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

namespace de::system_test {

using namespace std::chrono_literals;

namespace {

// Everywhere, and nobody's: its group may ask the agent that runs as it.
constexpr const char* kAccount = "games";
constexpr auto kPause = 8ms;  // Of the good console: slower than the 200 requests a second it may have.

}  // namespace

HostileStage::HostileStage() {
  const passwd* account = ::geteuid() == 0 ? ::getpwnam(kAccount) : nullptr;
  if (account == nullptr) return;
  has_users_ = true;
  agent_ = {account->pw_uid, account->pw_gid};
  good_ = {kGoodUid, account->pw_gid};
  hostile_ = {kHostileUid, account->pw_gid};
}

std::vector<std::string> HostileStage::account() const {
  if (!has_users_) return {};
  return {"--set", std::string("agent.user=") + kAccount};
}

void HostileStage::start_agent() {
  std::vector<std::string> more = account();
  if (has_users_) more.insert(more.end(), {"--set", std::string("control.readers=") + kAccount});
  host.start_agent(more);
}

void HostileStage::start_procmond() {
  host.procmond.signal(SIGTERM);
  (void)host.procmond.wait(20s);  // If there is one.
  host.start_procmond(account());
}

void HostileStage::start() {
  start_agent();
  start_procmond();
}

std::vector<std::string> HostileStage::requests() const {
  return {health_request(), query_request("SELECT pid, name FROM processes ORDER BY pid LIMIT 10")};
}

Waits HostileStage::ask_undisturbed(std::size_t times) {
  (void)ask_steadily(good_, control_socket(), requests(), 50, kPause);
  return ask_steadily(good_, control_socket(), requests(), times, kPause);
}

Round HostileStage::attack_agent(const Act& act, const std::string& socket, const User& user,
                                 std::chrono::milliseconds length, const std::function<void()>& during) {
  const auto tally = make_shared_by_processes<Tally>();
  const MemoryWatch memory(host.agent.pid());
  const double cpu_before = cpu_seconds(host.agent.pid());
  const auto begin = std::chrono::steady_clock::now();
  const Deadline end = begin + length;
  Actor actor(user, [&] { act.run(socket, *tally, end); });
  Round out;
  out.act = act.name;
  during();
  out.good = ask_steadily(good_, control_socket(), requests(), SIZE_MAX, kPause, end);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  out.cpu_share = (cpu_seconds(host.agent.pid()) - cpu_before) / took.count();
  if (!actor.has_ended_well(30s)) out.act += " (did not end)";
  out.growth_kb = memory.growth_kb();
  out.offered_per_s = static_cast<double>(tally->offered) / took.count();
  out.connections_per_s = static_cast<double>(tally->connections) / took.count();
  return out;
}

Round HostileStage::attack_procmond(const AgentAct& act, std::chrono::milliseconds length,
                                    const std::function<void()>& during) {
  const auto tally = make_shared_by_processes<Tally>();
  WireListener listener(broker_socket(), agent_.uid);
  start_procmond();
  Actor actor(User{}, [&] { play_agent(listener, act, *tally, kFirstScan + length); });
  (void)eventually([&] { return tally->connections > 0; });
  const MemoryWatch memory(host.procmond.pid());
  Round out;
  out.act = act.name;
  const auto begin = std::chrono::steady_clock::now();
  const double cpu_before = cpu_seconds(host.procmond.pid());
  std::this_thread::sleep_for(kFirstScan);
  during();
  if (!actor.has_ended_well(length + 30s)) out.act += " (did not end)";
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  out.cpu_share = (cpu_seconds(host.procmond.pid()) - cpu_before) / took.count();
  out.growth_kb = memory.most_kb();
  out.offered_per_s = static_cast<double>(tally->offered) / took.count();
  out.connections_per_s = static_cast<double>(tally->connections) / took.count();
  return out;
}

void HostileStage::start_demo() {
  demos_.push_back("demo" + std::to_string(demos_.size()));
  host.run_from_tmp(demos_.back());
}

std::string HostileStage::not_stored() {
  const Ran ran = host.cli({"--output", "csv", "query",
                            "SELECT name || ';' FROM processes.events WHERE event_type = 'exec' AND "
                            "executable_path LIKE '" +
                                host.demo_dir() + "/%'"});
  std::string out = ran.out.empty() ? ran.err : "";
  for (const std::string& demo : demos_)
    if (ran.out.find(demo + ";") == std::string::npos) out += demo + " ";
  return out;
}

}  // namespace de::system_test
