// What the agent may ask, and what happens when it asks for more: the session ends, that is counted and entered in the
// ledger, and the next session works.
#include "broker_fixture.h"

namespace de::uplink {
namespace {

using RequestTest = BrokerTest;

pb::Envelope task(const std::string& id) {
  pb::Envelope message;
  message.mutable_task()->set_task_id(id);
  message.mutable_task()->set_task_type(pb::CHECK_PROCESS_HASH);
  return message;
}

pb::Envelope append(std::uint64_t request, const std::string& action, const std::string& payload = "{}") {
  pb::Envelope message;
  message.mutable_ledger_append()->set_request_id(request);
  message.mutable_ledger_append()->set_action(action);
  message.mutable_ledger_append()->set_payload(payload);
  return message;
}

pb::DetectionResult done(const std::string& id) {
  pb::DetectionResult result;
  result.set_task_id(id);
  result.set_success(true);
  return result;
}

TEST_F(RequestTest, IntervalsWithinAnHourReachTheDaemon) {
  start();
  accept_hello();
  welcome();
  pb::Envelope message;
  message.mutable_begin()->set_scan_interval_ms(1'000);
  say(message);
  message.mutable_adjust_interval()->set_scan_interval_ms(3'600'000);
  say(message);
  message.mutable_scan_now();
  say(message);
  drive([this] { return scans_asked_ == 2; });
  EXPECT_EQ(intervals_, (std::vector<std::uint32_t>{1'000, 3'600'000}));
  EXPECT_EQ(scans_asked_, 2);  // Begin is the first.
}

TEST_F(RequestTest, TaskGoesToTheDaemonAndItsResultComesBack) {
  start();
  monitor();
  say(task("t-1"));
  drive([this] { return !tasks_.empty(); });
  ASSERT_EQ(tasks_.size(), 1u);
  EXPECT_EQ(tasks_[0].task.task_type(), pb::CHECK_PROCESS_HASH);
  pb::DetectionResult result = done("t-1");
  result.mutable_hash_result()->set_hash_value("abc");
  tasks_[0].done(result);
  const auto answer = next();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->task_result().SerializeAsString(), result.SerializeAsString());
}

TEST_F(RequestTest, TasksRunOneByOneAndTheNinthAtOnceIsRefused) {
  start();
  monitor();
  for (int i = 1; i <= 9; ++i) say(task("t-" + std::to_string(i)));
  const auto busy = next();
  ASSERT_TRUE(busy);
  EXPECT_EQ(busy->task_result().task_id(), "t-9");
  EXPECT_FALSE(busy->task_result().success());
  EXPECT_FALSE(busy->task_result().error_message().empty());
  for (std::size_t i = 0; i < 8; ++i) {
    ASSERT_EQ(tasks_.size(), i + 1);
    const std::string id = "t-" + std::to_string(i + 1);
    EXPECT_EQ(tasks_[i].task.task_id(), id);
    tasks_[i].done(done(id));
    EXPECT_EQ(next()->task_result().task_id(), id);
  }
  say(task("t-10"));
  drive([this] { return tasks_.size() == 9; });
  EXPECT_EQ(tasks_.size(), 9u);
  EXPECT_EQ(uplink_->counts().violations, 0u);
}

TEST_F(RequestTest, NoTaskBeginsWhileAnswersWaitToBeRead) {
  start();
  monitor();
  for (const char* id : {"t-1", "t-2", "t-3"}) say(task(id));
  drive([this] { return !tasks_.empty(); });
  pb::DetectionResult large = done("t-1");
  large.set_error_message(std::string(3u << 20, 'x'));
  tasks_[0].done(large);
  settle();
  EXPECT_EQ(tasks_.size(), 1u);
  EXPECT_EQ(next()->task_result().task_id(), "t-1");
  drive([this] { return tasks_.size() == 2; });
  EXPECT_EQ(tasks_.size(), 2u);
}

TEST_F(RequestTest, ResultOfABrokenSessionIsNotSentToTheNext) {
  start();
  monitor();
  say(task("old"));
  drive([this] { return !tasks_.empty(); });
  peer_.close();
  monitor();
  tasks_[0].done(done("old"));
  EXPECT_FALSE(next_if_ready());
}

pb::Envelope revoke(const std::string& id) {
  pb::Envelope message;
  message.mutable_revoke_task()->set_task_id(id);
  return message;
}

pb::Envelope plan(const std::string& id) {
  pb::Envelope message = task(id);
  message.mutable_task()->set_task_type(pb::COLLECT_COLUMNS);
  return message;
}

TEST_F(RequestTest, APlanIsRevokedByTheDaemon) {
  start();
  monitor();
  say(plan("p-1"));
  drive([this] { return !tasks_.empty(); });
  say(revoke("p-1"));
  say(revoke(""));
  drive([this] { return revoked_.size() == 2; });
  EXPECT_EQ(revoked_, (std::vector<std::string>{"p-1", ""}));
  tasks_[0].done(done("p-1"));
  EXPECT_TRUE(next()->task_result().success()) << "it had begun";
  EXPECT_EQ(uplink_->counts().violations, 0u);
}

// Else it would begin after it was revoked.
TEST_F(RequestTest, APlanThatWaitsIsNotBegunAfterItWasRevoked) {
  start();
  monitor();
  for (const auto& message : {task("t-1"), plan("p-1"), task("p-1"), plan("p-2"), plan("p-1")}) say(message);
  say(revoke("p-1"));
  for (int i = 0; i < 2; ++i) {
    const auto answer = next();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->task_result().task_id(), "p-1");
    EXPECT_FALSE(answer->task_result().success());
    EXPECT_EQ(answer->task_result().error_message(), "revoked");
  }
  EXPECT_EQ(revoked_, std::vector<std::string>{"p-1"});
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(tasks_.size(), i + 1);
    tasks_[i].done(done(tasks_[i].task.task_id()));
    EXPECT_TRUE(next()->task_result().success());
  }
  EXPECT_EQ(tasks_[1].task.task_type(), pb::CHECK_PROCESS_HASH) << "what is no plan is carried out";
  EXPECT_EQ(tasks_[2].task.task_id(), "p-2");
}

TEST_F(RequestTest, WhatWasAskedForEndsWithTheSession) {
  start();
  monitor();
  EXPECT_EQ(sessions_ended_, 0);
  peer_.close();
  monitor();
  EXPECT_EQ(sessions_ended_, 1);
  say_bytes("rubbish");
  EXPECT_EQ(end_of_session(), Errc::Closed);
  drive([this] { return sessions_ended_ == 2; });
  EXPECT_EQ(sessions_ended_, 2);
}

TEST_F(RequestTest, TheGreetingSaysWhatCanBeTold) {
  options_.schema.set_descriptor_version(1);
  options_.schema.add_tables()->set_name("processes");
  start();
  const pb::Hello hello = accept_hello();
  EXPECT_EQ(hello.schema().SerializeAsString(), options_.schema.SerializeAsString());
  EXPECT_EQ(hello.collector_id(), "procmond");
}

TEST_F(RequestTest, LedgerEntryNamesTheUidOfTheKernelAndIsConfirmed) {
  start();
  monitor();
  say(append(41, "rules.changed", R"({"actor":"root"})"));
  const auto answer = next();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->ledger_appended().request_id(), 41u);
  EXPECT_EQ(answer->ledger_appended().sequence(), 1u);
  const auto lines = ledger_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].actor, "agent uid=" + std::to_string(::geteuid()));
  EXPECT_EQ(lines[0].action, "rules.changed");
  EXPECT_EQ(lines[0].payload, R"({"actor":"root"})");
}

TEST_F(RequestTest, GoodbyeIsNoViolationAndWeDialAgain) {
  start();
  monitor();
  pb::Envelope message;
  message.mutable_goodbye()->set_reason("update");
  say(message);
  EXPECT_EQ(end_of_session(), Errc::Closed);
  monitor();
  EXPECT_EQ(uplink_->counts().sessions, 2u);
  EXPECT_EQ(uplink_->counts().violations, 0u);
}

enum class When : std::uint8_t { InsteadOfWelcome, AfterWelcome, Monitoring };

struct Misbehaviour {
  const char* name;
  When when;
  std::vector<std::string> payloads;
};

class Violates : public BrokerTest, public testing::WithParamInterface<Misbehaviour> {};

TEST_P(Violates, SessionEndsIsCountedAndTheNextOneWorks) {
  add_events(1);
  start();
  accept_hello();
  if (GetParam().when != When::InsteadOfWelcome) welcome();
  if (GetParam().when == When::Monitoring) begin();
  for (const std::string& payload : GetParam().payloads) {
    auto sent = run(peer_.write(payload, 5s));
    if (!sent) break;  // It has hung up on us in the middle of a flood.
  }
  EXPECT_EQ(end_of_session(), Errc::Closed);
  drive([this] { return uplink_->counts().violations != 0; });
  EXPECT_EQ(uplink_->counts().violations, 1u);

  const std::size_t tasks = tasks_.size();
  const std::vector<std::uint32_t> intervals = intervals_;
  monitor();
  EXPECT_TRUE(next()->publish().has_events());
  EXPECT_EQ(uplink_->counts().violations, 1u);
  EXPECT_LE(tasks, 100u);
  EXPECT_TRUE(intervals.empty());
  std::size_t entered = 0;
  for (const LedgerLine& line : ledger_lines()) entered += line.action == "agent.violation" ? 1U : 0U;
  EXPECT_EQ(entered, 1u);
}

template <class Fill>
std::string message(Fill fill) {
  pb::Envelope out;
  fill(out);
  return out.SerializeAsString();
}

const std::string kHello = message([](pb::Envelope& m) { m.mutable_hello()->set_collector_id("x"); });
const std::string kWelcome = message([](pb::Envelope& m) { m.mutable_welcome()->set_credits(1); });
const std::string kEarlyAck = message([](pb::Envelope& m) { m.mutable_welcome()->set_acked_sequence(2); });
const std::string kRefusal = message([](pb::Envelope& m) { m.mutable_refusal(); });
const std::string kPublish = message([](pb::Envelope& m) { m.mutable_publish()->mutable_gap(); });
const std::string kAck = message([](pb::Envelope& m) { m.mutable_ack()->set_sequence(9); });
const std::string kBegin = message([](pb::Envelope& m) { m.mutable_begin(); });
const std::string kFastBegin = message([](pb::Envelope& m) { m.mutable_begin()->set_scan_interval_ms(999); });
const std::string kAdjust = message([](pb::Envelope& m) { m.mutable_adjust_interval()->set_scan_interval_ms(5'000); });
const std::string kTooFast = message([](pb::Envelope& m) { m.mutable_adjust_interval()->set_scan_interval_ms(999); });
const std::string kTooSlow =
    message([](pb::Envelope& m) { m.mutable_adjust_interval()->set_scan_interval_ms(3'600'001); });
const std::string kScanNow = message([](pb::Envelope& m) { m.mutable_scan_now(); });
const std::string kTask = message([](pb::Envelope& m) { m.mutable_task()->set_task_id("t"); });
const std::string kLongTask = message([](pb::Envelope& m) { m.mutable_task()->set_task_id(std::string(257, 't')); });
const std::string kTaskResult = message([](pb::Envelope& m) { m.mutable_task_result()->set_task_id("t"); });
const std::string kHeartbeat = message([](pb::Envelope& m) { m.mutable_heartbeat()->set_time_ms(1); });
const std::string kNoAction = append(1, "").SerializeAsString();
const std::string kLongAction = append(1, std::string(65, 'a')).SerializeAsString();
const std::string kLongPayload = append(1, "a", std::string(16 * 1024 + 1, ' ')).SerializeAsString();
const std::string kRevoke = revoke("t").SerializeAsString();
const std::string kLongRevoke = revoke(std::string(257, 't')).SerializeAsString();
const std::string kUnknownMessage = "\xfa\x07\x01x";  // Field 127.
const std::string kGarbage = "\xff\xff\xff\xff";
const std::string kCutMessage = kFastBegin.substr(0, kFastBegin.size() - 1);

using Payloads = std::vector<std::string>;

INSTANTIATE_TEST_SUITE_P(
    Agent, Violates,
    testing::Values(Misbehaviour{"BeginInsteadOfWelcome", When::InsteadOfWelcome, {kBegin}},
                    Misbehaviour{"HelloInsteadOfWelcome", When::InsteadOfWelcome, {kHello}},
                    Misbehaviour{"GarbageInsteadOfWelcome", When::InsteadOfWelcome, {kGarbage}},
                    Misbehaviour{
                        "OversizedInsteadOfWelcome", When::InsteadOfWelcome, {std::string((64u << 10) + 1, '\n')}},
                    Misbehaviour{"WelcomeAcknowledgesTheFuture", When::InsteadOfWelcome, {kEarlyAck}},
                    Misbehaviour{"SecondWelcome", When::AfterWelcome, {kWelcome}},
                    Misbehaviour{"RefusalAfterWelcome", When::AfterWelcome, {kRefusal}},
                    Misbehaviour{"HelloAfterWelcome", When::AfterWelcome, {kHello}},
                    Misbehaviour{"AckOfWhatWasNeverSent", When::AfterWelcome, {kAck}},
                    Misbehaviour{"TaskBeforeBegin", When::AfterWelcome, {kTask}},
                    Misbehaviour{"AdjustBeforeBegin", When::AfterWelcome, {kAdjust}},
                    Misbehaviour{"ScanNowBeforeBegin", When::AfterWelcome, {kScanNow}},
                    Misbehaviour{"RevokeBeforeBegin", When::AfterWelcome, {kRevoke}},
                    Misbehaviour{"BeginFasterThanASecond", When::AfterWelcome, {kFastBegin}},
                    Misbehaviour{"SecondBegin", When::Monitoring, {kBegin}},
                    Misbehaviour{"AdjustFasterThanASecond", When::Monitoring, {kTooFast}},
                    Misbehaviour{"AdjustSlowerThanAnHour", When::Monitoring, {kTooSlow}},
                    Misbehaviour{"PublishFromTheAgent", When::Monitoring, {kPublish}},
                    Misbehaviour{"TaskResultFromTheAgent", When::Monitoring, {kTaskResult}},
                    Misbehaviour{"TaskIdTooLong", When::Monitoring, {kLongTask}},
                    Misbehaviour{"RevokedIdTooLong", When::Monitoring, {kLongRevoke}},
                    Misbehaviour{"UnknownMessage", When::Monitoring, {kUnknownMessage}},
                    Misbehaviour{"Garbage", When::Monitoring, {kGarbage}},
                    Misbehaviour{"CutMessage", When::Monitoring, {kCutMessage}},
                    Misbehaviour{"Oversized", When::Monitoring, {std::string((64u << 10) + 1, '\n')}},
                    Misbehaviour{"LedgerEntryWithoutAction", When::Monitoring, {kNoAction}},
                    Misbehaviour{"LedgerActionTooLong", When::Monitoring, {kLongAction}},
                    Misbehaviour{"LedgerPayloadTooLong", When::Monitoring, {kLongPayload}},
                    Misbehaviour{"HeartbeatFlood", When::Monitoring, Payloads(11, kHeartbeat)},
                    Misbehaviour{"ScanFlood", When::Monitoring, Payloads(11, kScanNow)},
                    Misbehaviour{"TaskFlood", When::Monitoring, Payloads(101, kTask)},
                    Misbehaviour{"RevokeFlood", When::Monitoring, Payloads(101, kRevoke)}),
    [](const auto& row) { return row.param.name; });

// ---- An agent that stands still ----

using Silence = BrokerTest;

TEST_F(Silence, IsNotedOnceWithItsEdges) {
  start();
  monitor();
  const auto pass = [this](int steps) {
    for (int i = 0; i < steps; ++i) {
      clock_.now_ms += 250;
      const auto until = std::chrono::steady_clock::now() + 300ms;
      io_.restart();
      while (std::chrono::steady_clock::now() < until) io_.run_one_for(10ms);
    }
  };
  const auto noted = [this](const std::string& action) {
    std::vector<std::string> payloads;
    for (const LedgerLine& line : ledger_lines())
      if (line.action == action) payloads.push_back(line.payload);
    return payloads;
  };
  const std::int64_t since_ms = clock_.now_ms;
  pass(8);
  EXPECT_TRUE(noted("agent.silent").empty()) << "two seconds are none";
  pass(5);
  EXPECT_EQ(noted("agent.silent"), std::vector<std::string>{"{\"since_ms\":" + std::to_string(since_ms) + "}"});
  const std::int64_t silent_ms = clock_.now_ms - since_ms;
  credit(1);
  drive([&] { return !noted("agent.heard").empty(); });
  EXPECT_EQ(noted("agent.heard"), std::vector<std::string>{"{\"silent_ms\":" + std::to_string(silent_ms) + "}"});
  EXPECT_EQ(noted("agent.silent").size(), 1u);
  credit(1);
  pass(1);
  EXPECT_EQ(noted("agent.heard").size(), 1u) << "what it says later is no news";
}

TEST_F(Silence, IsNotThatOfAnAgentThatSaysSomethingEverySecond) {
  start();
  monitor();
  for (int i = 0; i < 16; ++i) {
    clock_.now_ms += 250;
    if (i % 4 == 0) credit(1);
    const auto until = std::chrono::steady_clock::now() + 300ms;
    io_.restart();
    while (std::chrono::steady_clock::now() < until) io_.run_one_for(10ms);
  }
  for (const LedgerLine& line : ledger_lines()) EXPECT_NE(line.action, "agent.silent");
}

// Whoever listens to us must be able to tell a quiet procmond from one that stands still.
TEST_F(Silence, IsNeverOursForMoreThanASecond) {
  start();
  monitor();
  ASSERT_TRUE(next_any()->has_heartbeat());
  pb::Envelope alive;
  alive.mutable_alive();
  for (int i = 0; i < 3; ++i) {
    say(alive);
    clock_.now_ms += 1'000;
    const auto message = next_any();
    ASSERT_TRUE(message) << message.error().message();
    EXPECT_TRUE(message->has_alive());
  }
  EXPECT_EQ(uplink_->counts().violations, 0u) << "and an agent that says so breaks no rule";
}

TEST_F(Silence, OfOursIsNotTheAgents) {
  start();
  monitor();
  clock_.now_ms += 60'000;
  const auto until = std::chrono::steady_clock::now() + 600ms;
  io_.restart();
  while (std::chrono::steady_clock::now() < until) io_.run_one_for(10ms);
  for (const LedgerLine& line : ledger_lines()) EXPECT_NE(line.action, "agent.silent");
}

}  // namespace
}  // namespace de::uplink
