// An agent that somebody has taken over, as procmond meets it.
#include <random>
#include <thread>

#include "daemoneye/broker.pb.h"
#include "hostile_acts.h"

namespace de::system_test {

using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kCredits = 4'096;

// Up to monitoring, as a good agent would.
bool begin(Wire& wire, Tally& tally, Deadline end) {
  if (!wire.receive(end)) return false;
  pb::Envelope welcome, begins;
  welcome.mutable_welcome()->set_credits(kCredits);
  welcome.mutable_welcome()->set_heartbeat_interval_ms(1'000);
  begins.mutable_begin();
  tally.offered += 2;
  return wire.send(frame_of(welcome), end) && wire.send(frame_of(begins), end);
}

void begin_and_flood(Wire& wire, Tally& tally, Deadline end, const pb::Envelope& message) {
  if (begin(wire, tally, end)) flood(wire, tally, end, frame_of(message));
}

void wait_for_hang_up(Wire& wire, Deadline end) {
  while (!is_over(end) && !wire.is_hung_up()) std::this_thread::sleep_for(5ms);
}

pb::Envelope task(const std::string& id) {
  pb::Envelope message;
  message.mutable_task()->set_task_id(id);
  message.mutable_task()->set_task_type(pb::ENUMERATE_PROCESSES);
  return message;
}

pb::Envelope ledger_append(std::size_t payload_bytes) {
  pb::Envelope message;
  message.mutable_ledger_append()->set_request_id(1);
  message.mutable_ledger_append()->set_action("hostile");
  message.mutable_ledger_append()->set_payload("{\"x\":\"" + std::string(payload_bytes, 'x') + "\"}");
  return message;
}

// What everything else is held against.
void behave(Wire& wire, Tally& tally, Deadline end) {
  if (!begin(wire, tally, end)) return;
  while (wire.receive(end)) ++tally.offered;
}

void close_at_once(Wire& wire, Tally& tally, Deadline) {
  ++tally.offered;
  wire.close();
}

void welcome_and_close(Wire& wire, Tally& tally, Deadline end) { (void)begin(wire, tally, end); }

void say_nothing(Wire& wire, Tally&, Deadline end) { wait_for_hang_up(wire, end); }

void begin_and_say_nothing(Wire& wire, Tally& tally, Deadline end) {
  if (begin(wire, tally, end)) wait_for_hang_up(wire, end);
}

void drip(Wire& wire, Tally& tally, Deadline end) {
  if (!begin(wire, tally, end)) return;
  const std::string bytes = frame_of(ledger_append(4'000));
  for (std::size_t i = 0; i + 1 < bytes.size() && wire.is_open() && !is_over(end); ++i) {
    tally.offered += wire.offer(bytes.substr(i, 1));
    std::this_thread::sleep_for(10ms);
  }
}

void stop_within_a_frame(Wire& wire, Tally& tally, Deadline end) {
  if (!begin(wire, tally, end)) return;
  tally.offered += wire.offer(frame_of("half of it", 64U << 10)) > 0 ? 1 : 0;
  wait_for_hang_up(wire, end);
}

void claim_four_gigabytes(Wire& wire, Tally& tally, Deadline end) {
  if (!begin(wire, tally, end)) return;
  tally.offered += wire.offer(frame_of("x", UINT32_MAX)) > 0 ? 1 : 0;
  wait_for_hang_up(wire, end);
}

void send_rubbish(Wire& wire, Tally& tally, Deadline end) {
  std::minstd_rand random(7);
  std::string bytes(4'096, '\0');
  for (char& c : bytes) c = static_cast<char>(random() >> 8);
  flood(wire, tally, end, bytes);
}

void acknowledge_the_future(Wire& wire, Tally& tally, Deadline end) {
  pb::Envelope message;
  message.mutable_ack()->set_sequence(UINT64_MAX);
  begin_and_flood(wire, tally, end, message);
}

void flood_with_life(Wire& wire, Tally& tally, Deadline end) {
  pb::Envelope message;
  message.mutable_alive();
  begin_and_flood(wire, tally, end, message);
}

void flood_with_credits(Wire& wire, Tally& tally, Deadline end) {
  pb::Envelope message;
  message.mutable_credit()->set_messages(UINT32_MAX);
  begin_and_flood(wire, tally, end, message);
}

void flood_with_tasks(Wire& wire, Tally& tally, Deadline end) { begin_and_flood(wire, tally, end, task("t")); }

// Within what is allowed in a second, and none of the answers is read.
void ask_within_limits_and_never_read(Wire& wire, Tally& tally, Deadline end) {
  if (!begin(wire, tally, end)) return;
  const std::string message = frame_of(task(std::string(250, 't')));
  while (wire.is_open() && !is_over(end)) {
    tally.offered += wire.offer(message) > 0 ? 1 : 0;
    std::this_thread::sleep_for(12ms);
  }
}

void enter_short_lines(Wire& wire, Tally& tally, Deadline end) { begin_and_flood(wire, tally, end, ledger_append(8)); }

void enter_long_lines(Wire& wire, Tally& tally, Deadline end) {
  begin_and_flood(wire, tally, end, ledger_append(16'000));
}

constexpr AgentAct kAgentActs[] = {
    {"keeps to the protocol", behave},
    {"closes at once", close_at_once},
    {"welcomes and closes", welcome_and_close},
    {"takes the connection and says nothing", say_nothing},
    {"begins and says nothing more", begin_and_say_nothing},
    {"says one byte at a time", drip},
    {"stops within a frame", stop_within_a_frame},
    {"claims lengths of 4 GiB", claim_four_gigabytes},
    {"sends rubbish", send_rubbish},
    {"acknowledges what was never sent", acknowledge_the_future},
    {"says that it lives", flood_with_life},
    {"gives credits", flood_with_credits},
    {"asks for tasks", flood_with_tasks},
    {"asks within limits and never reads", ask_within_limits_and_never_read},
    {"has short ledger entries made", enter_short_lines},
    {"has long ledger entries made", enter_long_lines},
};

}  // namespace

std::span<const AgentAct> agent_acts() { return kAgentActs; }

void play_agent(WireListener& listener, const AgentAct& act, Tally& tally, std::chrono::milliseconds length) {
  Wire wire = listener.accept(deadline_in(60s));
  for (const Deadline end = deadline_in(length); !is_over(end); wire = listener.accept(end)) {
    if (!wire.is_open()) continue;
    ++tally.connections;
    act.serve(wire, tally, end);
  }
}

}  // namespace de::system_test
