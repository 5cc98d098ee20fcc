#include "hostile_acts.h"

#include <sched.h>

#include <random>
#include <thread>

#include "daemoneye/broker.pb.h"
#include "daemoneye/control.pb.h"

namespace de::system_test {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kCrowd = 64;  // More than either socket takes.

std::string rubbish(std::size_t bytes) {
  static std::minstd_rand random(7);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random() >> 8);
  return out;
}

void dial_into(Wire& wire, const std::string& socket, Tally& tally) {
  if (wire.is_open() && !wire.is_hung_up()) return;
  wire = Wire::dial(socket);
  if (wire.is_open())
    ++tally.connections;
  else
    ++tally.failures;
}

// One connection after the other, as fast as they are taken; `bytes` on each.
void knock(const std::string& socket, Tally& tally, Deadline end, const std::string& bytes) {
  while (!is_over(end)) {
    Wire wire = Wire::dial(socket);
    if (!wire.is_open()) {
      ++tally.failures;
      ::sched_yield();
      continue;
    }
    ++tally.connections;
    ++tally.offered;
    if (!bytes.empty()) wire.offer(bytes);
  }
}

// As many connections as are taken, each with `first` on it, kept until the other side hangs up.
void crowd(const std::string& socket, Tally& tally, Deadline end, const std::string& first) {
  std::vector<Wire> wires(kCrowd);
  while (!is_over(end)) {
    for (Wire& wire : wires) {
      if (wire.is_open() && !wire.is_hung_up()) continue;
      dial_into(wire, socket, tally);
      if (wire.is_open() && !first.empty() && wire.offer(first) > 0) ++tally.offered;
    }
    std::this_thread::sleep_for(5ms);
  }
}

void drip(const std::string& socket, Tally& tally, Deadline end, const std::string& bytes) {
  std::vector<Wire> wires(kCrowd);
  std::vector<std::size_t> at(kCrowd);
  while (!is_over(end)) {
    for (std::size_t i = 0; i < kCrowd; ++i) {
      if (!wires[i].is_open() || wires[i].is_hung_up()) at[i] = 0;
      dial_into(wires[i], socket, tally);
      // Never the last one.
      if (wires[i].is_open() && at[i] + 1 < bytes.size()) tally.offered += wires[i].offer(bytes.substr(at[i]++, 1));
    }
    std::this_thread::sleep_for(20ms);
  }
}

// ---- Consoles ----

const std::string kCostly =
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000000000) SELECT count(*) FROM n";

void ask_on_new_connections(const std::string& socket, Tally& tally, Deadline end) {
  knock(socket, tally, end, health_request());
}

void ask_without_waiting(const std::string& socket, Tally& tally, Deadline end) {
  const std::string request = health_request(), many = repeat(request, kMessagesAtOnce);
  std::vector<Wire> wires(8);
  while (!is_over(end)) {
    std::size_t taken = 0;
    for (Wire& wire : wires) {
      dial_into(wire, socket, tally);
      taken += wire.offer(many) / request.size();
    }
    tally.offered += taken;
    if (taken == 0) std::this_thread::sleep_for(200us);
  }
}

void ask_and_never_read(const std::string& socket, Tally& tally, Deadline end) {
  crowd(socket, tally, end, query_request("SELECT * FROM processes"));
}

void ask_what_takes_long(const std::string& socket, Tally& tally, Deadline end) {
  crowd(socket, tally, end, query_request(kCostly));
}

void say_nothing(const std::string& socket, Tally& tally, Deadline end) { crowd(socket, tally, end, ""); }

void drip_a_request(const std::string& socket, Tally& tally, Deadline end) {
  drip(socket, tally, end, query_request("SELECT '" + std::string(4'000, 'x') + "'"));
}

void claim_huge_lengths(const std::string& socket, Tally& tally, Deadline end) {
  knock(socket, tally, end, frame_of("x", UINT32_MAX));
}

void claim_the_most(const std::string& socket, Tally& tally, Deadline end) {
  crowd(socket, tally, end, frame_of("x", 64U << 10));
}

void send_rubbish(const std::string& socket, Tally& tally, Deadline end) { knock(socket, tally, end, rubbish(4'096)); }

void send_framed_rubbish(const std::string& socket, Tally& tally, Deadline end) {
  knock(socket, tally, end, frame_of(rubbish(512)));
}

// What a good console loses to this, it loses to the processors of the host, not to the agent.
void only_use_a_processor(const std::string&, Tally&, Deadline end) {
  while (!is_over(end)) ::sched_yield();
}

constexpr Act kConsoleActs[] = {
    {"uses up a processor and nothing else", only_use_a_processor},
    {"asks on a new connection each time", ask_on_new_connections},
    {"asks without waiting for answers", ask_without_waiting},
    {"asks and never reads", ask_and_never_read},
    {"asks what takes long", ask_what_takes_long},
    {"connects and says nothing", say_nothing},
    {"says one byte at a time", drip_a_request},
    {"claims lengths of 4 GiB", claim_huge_lengths},
    {"claims the largest length allowed", claim_the_most},
    {"sends rubbish", send_rubbish},
    {"sends rubbish in whole frames", send_framed_rubbish},
};

// ---- Collectors ----

// Does `then` on connections that were welcomed as collector `id`.
template <class Then>
void once_welcome(const std::string& socket, const std::string& id, Tally& tally, Deadline end, const Then& then) {
  while (!is_over(end)) {
    Wire wire = Wire::dial_until(socket, end);
    if (!wire.is_open() || !wire.send(hello_request(id), end)) continue;
    const auto answer = wire.receive(end);
    pb::Envelope message;
    if (answer && message.ParseFromString(*answer) && message.has_welcome()) {
      ++tally.connections;
      then(wire);
    } else {
      ++tally.failures;
      std::this_thread::sleep_for(5ms);
    }
  }
}

void connect_and_leave(const std::string& socket, Tally& tally, Deadline end) { knock(socket, tally, end, ""); }

void drip_a_hello(const std::string& socket, Tally& tally, Deadline end) {
  drip(socket, tally, end, hello_request(std::string(60, 'x')));
}

void claim_four_megabytes(const std::string& socket, Tally& tally, Deadline end) {
  crowd(socket, tally, end, frame_of("x", 4U << 20));
}

// A Hello of which a part is four megabytes, all of them sent but the last.
void greet_at_length(const std::string& socket, Tally& tally, Deadline end) {
  crowd(socket, tally, end, frame_of(std::string(200'000, 'x'), 4U << 20));
}

void pose_as_procmond(const std::string& socket, Tally& tally, Deadline end) {
  knock(socket, tally, end, hello_request("procmond"));
}

void greet_twice(const std::string& socket, Tally& tally, Deadline end) {
  once_welcome(socket, "twice", tally, end, [&](Wire& wire) {
    if (wire.send(hello_request("twice"), end)) ++tally.offered;
    (void)wire.receive(end);
  });
}

void stay_alive_too_often(const std::string& socket, Tally& tally, Deadline end) {
  pb::Envelope message;
  message.mutable_alive();
  once_welcome(socket, "alive", tally, end, [&](Wire& wire) { flood(wire, tally, end, frame_of(message)); });
}

void beat_too_often(const std::string& socket, Tally& tally, Deadline end) {
  pb::Envelope message;
  for (int i = 0; i < 50; ++i) (*message.mutable_heartbeat()->mutable_counters())["counter" + std::to_string(i)] = 1;
  once_welcome(socket, "beats", tally, end, [&](Wire& wire) { flood(wire, tally, end, frame_of(message)); });
}

void confirm_what_was_not_asked(const std::string& socket, Tally& tally, Deadline end) {
  pb::Envelope message;
  message.mutable_ledger_appended()->set_request_id(UINT64_MAX);
  once_welcome(socket, "confirms", tally, end, [&](Wire& wire) { flood(wire, tally, end, frame_of(message)); });
}

void answer_what_was_not_asked(const std::string& socket, Tally& tally, Deadline end) {
  pb::Envelope message;
  message.mutable_task_result()->set_task_id("t");
  once_welcome(socket, "answers", tally, end, [&](Wire& wire) { flood(wire, tally, end, frame_of(message)); });
}

void publish_without_end(const std::string& socket, Tally& tally, Deadline end) {
  pb::Envelope message;
  message.mutable_publish()->mutable_gap()->set_first_sequence(1);
  once_welcome(socket, "publishes", tally, end, [&](Wire& wire) { flood(wire, tally, end, frame_of(message)); });
}

constexpr Act kCollectorActs[] = {
    {"connects and leaves", connect_and_leave},
    {"connects and says nothing", say_nothing},
    {"says one byte of a greeting at a time", drip_a_hello},
    {"claims lengths of 4 GiB", claim_huge_lengths},
    {"claims the largest length allowed", claim_four_megabytes},
    {"sends as much of it as is taken", greet_at_length},
    {"sends rubbish", send_rubbish},
    {"sends rubbish in whole frames", send_framed_rubbish},
    {"poses as procmond, with an old token", pose_as_procmond},
    {"is welcome and greets again", greet_twice},
    {"is welcome and says that it lives", stay_alive_too_often},
    {"is welcome and sends heartbeats", beat_too_often},
    {"is welcome and confirms all ledger entries", confirm_what_was_not_asked},
    {"is welcome and answers what nobody asked", answer_what_was_not_asked},
    {"is welcome and publishes without credit", publish_without_end},
};

}  // namespace

std::string health_request() {
  pb::ControlRequest request;
  request.set_protocol_major(1);
  request.mutable_health();
  return frame_of(request);
}

std::string hello_request(const std::string& id, const std::string& token) {
  pb::Envelope message;
  pb::Hello& hello = *message.mutable_hello();
  hello.set_protocol_major(1);
  hello.set_collector_id(id);
  hello.set_collector_type("process");
  hello.set_spool_id("spool-of-" + id);
  hello.set_spawn_token(token);
  hello.set_last_sequence(1'000'000);
  return frame_of(message);
}

std::string query_request(const std::string& sql) {
  pb::ControlRequest request;
  request.set_protocol_major(1);
  request.mutable_query()->set_sql(sql);
  return frame_of(request);
}

std::span<const Act> console_acts() { return kConsoleActs; }
std::span<const Act> collector_acts() { return kCollectorActs; }

}  // namespace de::system_test
